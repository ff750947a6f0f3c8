"""What a connector says of itself, its spec and its catalog, on the way to others that read it."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, TypeVar

from airbyte_exec.exceptions import AirbyteConnectorError

if TYPE_CHECKING:
    from airbyte_exec.protocol.models import AirbyteCatalog, ConnectorSpecification

    _Document = TypeVar("_Document", AirbyteCatalog, ConnectorSpecification)

logger = logging.getLogger(__name__)


def in_standard_json(document: _Document, connector_name: str, failed: type[AirbyteConnectorError]) -> _Document:
    """Return a document with null where it has numbers that JSON has not, such as NaN.

    A catalog goes on to destinations, and what is remembered is read again: neither is for tolerant readers alone.

    Parameters:
        document: the spec or the catalog.
        connector_name: whose it is.
        failed: what is raised.

    Raises:
        AirbyteConnectorError: `failed`, where it is nested too deep to be written again.
    """
    try:
        text = document.to_bytes()
    except ValueError as error:
        raise failed(
            message=f"The {type(document).__name__} of {connector_name} cannot be used: {error}.",
            connector_name=connector_name,
            guidance="Documents may be nested some 250 levels deep.",
        ) from None

    if b"NaN" not in text and b"Infinity" not in text:
        return document

    finite = json.loads(text, parse_constant=lambda _: None)
    if finite == json.loads(text):  # the words stand in a text
        return document

    logger.warning(
        "The %s of %s has NaN or Infinity, which JSON has not: null.", type(document).__name__, connector_name
    )
    return type(document).model_validate(finite)
