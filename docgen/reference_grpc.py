"""The page of gRPC, from the proto and its comments, as protoc reads them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)
from grpc_tools import protoc

from docgen.tables import made_from, table

PROTO = Path(__file__).parents[1] / "proto"
FILE = "red_align/v1/face_landmarks.proto"
# Numbers of the fields of FileDescriptorProto and of what is in it, of which paths of comments are made.
_SYNTAX, _MESSAGE, _ENUM, _SERVICE, _FIELD, _VALUE, _METHOD = 12, 4, 5, 6, 2, 2, 2
Comments = dict[tuple[int, ...], str]


def described() -> FileDescriptorProto:
    """The proto with its comments."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set"
        arguments = ["protoc", f"-I{PROTO}", "--include_source_info", f"--descriptor_set_out={out}", FILE]
        if protoc.main(arguments) != 0:
            raise RuntimeError(f"protoc does not take {FILE}")
        return FileDescriptorSet.FromString(out.read_bytes()).file[0]


def comments_of(file: FileDescriptorProto) -> Comments:
    """Comments by their paths in the file; those before the syntax are the file's own."""
    found: Comments = {}
    for place in file.source_code_info.location:
        text = " ".join((place.leading_comments or place.trailing_comments).split())
        if text:
            found[tuple(place.path)] = text
        if tuple(place.path) == (_SYNTAX,):
            found[()] = text
    return found


def grpc_page() -> str:
    """Markdown of the page: the service, then messages and enums in the order of the file."""
    file = described()
    comments = comments_of(file)
    parts = [f"{made_from(f'proto/{FILE}')}\n# gRPC, message by message\n\n{comments.get((), '')}\n"]
    parts.append(f"Package `{file.package}`; the stubs are `red_align.v1` (`pip install 'red-align[grpc]'`).\n")
    parts += [_service(service, (_SERVICE, i), comments) for i, service in enumerate(file.service)]
    parts.append("## Messages\n")
    parts += [_message(message, (_MESSAGE, i), comments) for i, message in enumerate(file.message_type)]
    parts.append("## Enums\n")
    parts += [_enum(enum, (_ENUM, i), comments) for i, enum in enumerate(file.enum_type)]
    return "\n".join(parts)


def _service(service: ServiceDescriptorProto, path: tuple[int, ...], comments: Comments) -> str:
    rows = [
        (f"`{method.name}`", _call(method), comments.get((*path, _METHOD, i), ""))
        for i, method in enumerate(service.method)
    ]
    return f"## {service.name}\n\n" + table(("method", "request, response", "what"), rows)


def _call(method: MethodDescriptorProto) -> str:
    given = ("stream of " if method.client_streaming else "") + _linked(method.input_type)
    answer = ("stream of " if method.server_streaming else "") + _linked(method.output_type)
    return f"{given}, {answer}"


def _message(message: DescriptorProto, path: tuple[int, ...], comments: Comments) -> str:
    rows = [
        (
            str(field.number),
            f"`{field.name}`",
            _type(field, message),
            _choice(field, message) + comments.get((*path, _FIELD, i), ""),
        )
        for i, field in enumerate(message.field)
    ]
    text = comments.get(path, "")
    body = table(("", "field", "type", "what"), rows) or "No fields.\n"
    return f"### {message.name}\n\n" + (f"{text}\n\n" if text else "") + body


def _choice(field: FieldDescriptorProto, message: DescriptorProto) -> str:
    if not field.HasField("oneof_index"):
        return ""
    return f"(one of `{message.oneof_decl[field.oneof_index].name}`) "


def _type(field: FieldDescriptorProto, message: DescriptorProto) -> str:
    for nested in message.nested_type:
        if nested.options.map_entry and field.type_name.endswith(f".{nested.name}"):
            key, value = nested.field
            return f"map of {_single(key)} to {_single(value)}"
    name = _single(field)
    return f"repeated {name}" if field.label == FieldDescriptorProto.LABEL_REPEATED else name


def _single(field: FieldDescriptorProto) -> str:
    if field.type_name:
        return _linked(field.type_name)
    return f"`{FieldDescriptorProto.Type.Name(field.type).removeprefix('TYPE_').lower()}`"


def _linked(type_name: str) -> str:
    name = type_name.rsplit(".", 1)[-1]
    return f"[`{name}`](#{name.lower()})"


def _enum(enum: EnumDescriptorProto, path: tuple[int, ...], comments: Comments) -> str:
    rows = [
        (str(value.number), f"`{value.name}`", comments.get((*path, _VALUE, i), ""))
        for i, value in enumerate(enum.value)
    ]
    text = comments.get(path, "")
    return f"### {enum.name}\n\n" + (f"{text}\n\n" if text else "") + table(("", "value", "what"), rows)
