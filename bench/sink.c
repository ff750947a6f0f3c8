/* destination-bench: drains its stdin as fast as a pipe gives, and echoes each STATE line.
   Speaks enough of the protocol to be a destination: spec, check, write. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char SPEC[] =
    "{\"type\":\"SPEC\",\"spec\":{\"connectionSpecification\":{\"type\":\"object\",\"properties\":{}},"
    "\"supported_destination_sync_modes\":[\"append\",\"overwrite\",\"append_dedup\"]}}\n";
static const char CHECK[] = "{\"type\":\"CONNECTION_STATUS\",\"connectionStatus\":{\"status\":\"SUCCEEDED\"}}\n";
static const char STATE[] = "{\"type\":\"STATE\"";

static char buffer[4 << 20];

static void echo(const char *line, size_t length) {
    if (length > sizeof STATE - 1 && memcmp(line, STATE, sizeof STATE - 1) == 0) {
        fwrite(line, 1, length, stdout);
        fflush(stdout);
    }
}

static int drain(void) {
    size_t held = 0;
    for (;;) {
        ssize_t got = read(0, buffer + held, sizeof buffer - held);
        if (got <= 0) return got < 0;
        size_t end = held + (size_t)got;
        char *line = buffer, *newline;
        while ((newline = memchr(line, '\n', (size_t)(buffer + end - line)))) {
            echo(line, (size_t)(newline + 1 - line));
            line = newline + 1;
        }
        held = (size_t)(buffer + end - line);
        if (held == sizeof buffer) return 1;
        memmove(buffer, line, held);
    }
}

int main(int argc, char **argv) {
    const char *command = argc > 1 ? argv[1] : "";
    if (!strcmp(command, "spec")) return fputs(SPEC, stdout) < 0;
    if (!strcmp(command, "check")) return fputs(CHECK, stdout) < 0;
    if (!strcmp(command, "write")) return drain();
    return 2;
}
