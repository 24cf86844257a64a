"""One error tree, one mapping: every class has its status, and REST and gRPC agree."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from red_align.errors import ClientTooSlow, FirstMessageTimeout, RedAlignError, TooLarge, all_errors
from service.api.errors import grpc_status, http_body, http_status


@pytest.mark.parametrize("cls", all_errors())
def test_every_error_is_mapped_and_both_sides_agree(cls: type[RedAlignError]) -> None:
    error = cls("what happened", limit="some_limit")
    status = grpc_status(error)
    assert (status.code.name, status.details) == (error.code, "what happened")
    assert 400 <= http_status(error) < 600
    assert (http_status(error) >= 500) == (
        error.code in ("INTERNAL", "UNAVAILABLE", "UNKNOWN", "DATA_LOSS", "UNIMPLEMENTED")
    )
    info = error_details_pb2.ErrorInfo()
    rich = status_pb2.Status.FromString(dict(status.trailing_metadata)["grpc-status-details-bin"])
    assert (rich.code, rich.message) == (status.code.value[0], "what happened")
    assert rich.details[0].Unpack(info)
    body = http_body(error)["error"]
    assert (body["code"], body["reason"], body["message"]) == (error.code, info.reason, "what happened")
    assert body["metadata"] == dict(info.metadata) == {"limit": "some_limit"}


def test_reasons_are_unique_words_and_the_tree_is_found_whole() -> None:
    classes = all_errors()
    reasons = [cls.reason for cls in classes]
    assert len(set(reasons)) == len(reasons)
    assert all(reason.replace("_", "").isupper() for reason in reasons)
    assert TooLarge in classes
    assert len(classes) > 15


def test_sharper_http_words_are_used() -> None:
    assert http_status(TooLarge("big")) == 413
    assert grpc_status(TooLarge("big")).code is grpc.StatusCode.INVALID_ARGUMENT
    assert http_status(ClientTooSlow("slow")) == 408


def test_what_is_derived_from_an_error_has_its_http_word() -> None:
    assert http_status(FirstMessageTimeout("late")) == 408
    assert grpc_status(FirstMessageTimeout("late")).code is grpc.StatusCode.DEADLINE_EXCEEDED
