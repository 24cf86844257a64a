"""The page of errors, from the tree of ``red_align.errors`` and its mapping to HTTP."""

from __future__ import annotations

import inspect
import re

import red_align.client.errors  # With it the tree has those that a client alone has.
from docgen.tables import made_from, table
from red_align.errors import RedAlignError, all_errors
from service.api.errors import http_status

INTRODUCTION = """
Every error has a `code` (the name of a google.rpc.Code), a `reason` (a stable word for programs), a `message` (for
people) and `metadata` (values for programs; where a limit was exceeded, `limit` names the setting without `RED_`, in
lower case).

| | where it is |
|---|---|
| Python | an exception of `red_align.errors`, with these as attributes; base is `RedAlignError` |
| REST | the body `{"error": {"code", "reason", "message", "metadata"}}` with the HTTP status below |
| gRPC | the call's status, with a `google.rpc.ErrorInfo` of domain `red-align` in its details |
| a frame of a stream | `status` is `error`, and `error` has code, reason and message; the stream goes on |
| command line | a sentence on stderr and exit status 1 |
"""


def errors_page() -> str:
    """Markdown of the page: one section for each reason, in the order of the tree."""
    errors = all_errors()
    overview = table(
        ("reason", "HTTP", "gRPC", "what"),
        ((f"[`{e.reason}`](#{anchor(e)})", status(e), f"`{e.code}`", summary(e)) for e in sorted(errors, key=order)),
    )
    sections = "\n".join(section(error) for error in sorted(errors, key=order))
    return f"{made_from('red_align/errors.py')}\n# Errors by reason\n{INTRODUCTION}\n{overview}\n{sections}"


def order(error: type[RedAlignError]) -> str:
    """Sections are in the order of the alphabet: people come with a reason in their hands."""
    return error.reason


def anchor(error: type[RedAlignError]) -> str:
    """As the table of contents makes it from a heading."""
    return error.reason.lower()


def status(error: type[RedAlignError]) -> str:
    """The HTTP status; empty for what no server sends."""
    return "" if of_the_client(error) else str(http_status(error("")))


def of_the_client(error: type[RedAlignError]) -> bool:
    """Whether no server sends it."""
    return error.__module__ == red_align.client.errors.__name__


def summary(error: type[RedAlignError]) -> str:
    """First sentences of the class: all before its sections."""
    text = inspect.cleandoc(error.__doc__ or "")
    return re.split(r"\n\n(?:Args|Attributes|Example|Raises):", text)[0].replace("``", "`")


def section(error: type[RedAlignError]) -> str:
    """One error: what it is, and what it is called where."""
    bases = [base for base in error.__mro__[1:] if issubclass(base, RedAlignError)]
    sent = "Raised by the client alone" if of_the_client(error) else f"HTTP {status(error)}, gRPC `{error.code}`"
    line = f"{sent}, Python `{error.__module__}.{error.__name__}`"
    above = (
        f"; a kind of {', '.join(f'[`{base.reason}`](#{anchor(base)})' for base in bases[:-1])}" if bases[:-1] else ""
    )
    return f"## `{error.reason}`\n\n{summary(error)}\n\n{line}{above}.\n"
