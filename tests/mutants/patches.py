"""The faults: in each a place that matters is made wrong, and tests are named that must fail then."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

TRACKING, SERVICE, LIBRARY = "tests/unit/red_align/tracking", "tests/unit/service", "tests/unit/red_align"
STATE, TRACKER = f"{SERVICE}/test_stream_state.py", f"{TRACKING}/test_tracker.py"
PANS, TURNED = f"{TRACKING}/test_pans.py", f"{TRACKING}/test_turned.py"
RULES, ENGINE = f"{LIBRARY}/test_schemes_tracking.py", f"{LIBRARY}/engine/test_engine.py"


@dataclass(frozen=True, slots=True)
class Patch:
    """One fault.

    Attributes:
        name: What is wrong then.
        file: Where, from the root of the repository.
        old: The right text, which the file has once.
        new: The wrong one.
        tests: Files or tests of which one must fail.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, text: str) -> str:
        """The file's text with the fault.

        Args:
            text: As it is.

        Raises:
            ValueError: It does not have the right text once.
        """
        if (count := text.count(self.old)) != 1:
            raise ValueError(f"{self.name}: {self.file} has its text {count} times; mend tests/mutants/patches.py")
        return text.replace(self.old, self.new)

    def mutate(self, root: Path) -> str:
        """Plant it in a copy of the repository; gives the text that was there."""
        path = root / self.file
        text = path.read_text()
        path.write_text(self.applied(text))
        return text


TOKENS = "service/streams/resume_token.py"
SECURITY = (
    Patch("a token opens for every tenant", TOKENS, "if owner != tenant:", "if False:", (STATE,)),
    Patch("a token opens for every model", TOKENS, "if made_by != _name(model):", "if False:", (STATE,)),
    Patch("a token never expires", TOKENS, "ttl=int(self._ttl_s)", "ttl=None", (STATE,)),
    Patch(
        "a tenant's name is another tenant's stream",
        "service/streams/registry.py",
        "        key = (tenant, stream_id)\n",
        '        key = ("", stream_id)\n',
        (STATE,),
    ),
    Patch(
        "a token without an end is taken",
        "service/security/authenticator.py",
        '{"require": ["exp", rules.tenant_claim]}',
        '{"require": [rules.tenant_claim]}',
        (f"{SERVICE}/test_auth.py",),
    ),
    Patch(
        "a request without a key is served",
        "service/security/authenticator.py",
        "        if not given:\n            raise Unauthenticated(_REFUSED)",
        "        if not given:\n            return ANONYMOUS",
        (f"{SERVICE}/test_auth.py",),
    ),
)
LIMITS = (
    Patch(
        "one more is let in than allowed",
        "service/limits/admission.py",
        "if self.active >= self.limit:",
        "if self.active > self.limit:",
        (STATE,),
    ),
    Patch(
        "a tenant has as many streams as uploads",
        "service/limits/tenants.py",
        'Admission("tenant_max_streams", limits.max_streams)',
        'Admission("tenant_max_streams", limits.max_uploads)',
        (f"{SERVICE}/test_auth.py", f"{SERVICE}/limits/test_work.py"),
    ),
    Patch(
        "a tenant's debt is forgotten with its last request",
        "service/limits/tenants.py",
        "if users == 1 and not tenant.work.owes:",
        "if users == 1:",
        (f"{SERVICE}/limits/test_work.py",),
    ),
    Patch(
        "memory that was set aside is never free again",
        "red_align/media/decode_process.py",
        "            self.used -= held",
        "            self.used -= 0",
        (f"{SERVICE}/limits/test_work.py",),
    ),
    Patch(
        "Retry-After is left out",
        "service/api/rest/app.py",
        '_RETRY = {"Retry-After": "1"}',
        "_RETRY: dict[str, str] = {}",
        (f"{SERVICE}/test_rest_headers.py",),
    ),
    Patch(
        "an upload may be of any size",
        "service/streams/uploads.py",
        "    if size > limit:",
        "    if size > 2 * limit:",
        (f"{SERVICE}/test_uploads.py",),
    ),
)
FOLLOWING = (
    Patch(
        "two tracks on one face are kept",
        "red_align/tracking/tracker.py",
        "doubled = track is not None and track.overlaps(kept)",
        "doubled = False",
        (TRACKER,),
    ),
    Patch(
        "points that are not finite are followed",
        "red_align/tracking/rules.py",
        "if not math.isfinite(box.x + box.y + box.w + box.h) or not score >= track_lost_threshold:",
        "if not score >= track_lost_threshold:",
        (RULES,),
    ),
    Patch(
        "a cut to another face goes unnoticed",
        "red_align/tracking/rules.py",
        "return likeness < (SWITCH_BELOW",
        "return likeness < -2 * (SWITCH_BELOW",
        (RULES, TRACKER),
    ),
    Patch(
        "a lost face is not searched for at once",
        "red_align/tracking/search.py",
        "        self.since = NEVER\n        if math",
        "        if math",
        (TRACKER,),
    ),
    Patch(
        "any face that is found is the lost one",
        "red_align/tracking/rules.py",
        "SAME_ABOVE = 0.65",
        "SAME_ABOVE = -2.0",
        (PANS,),
    ),
    Patch(
        "a face is the lost one however late it comes",
        "red_align/tracking/lost.py",
        "0.0 <= time_s - face.time_s <= REACQUIRE_S",
        "True",
        (PANS,),
    ),
    Patch(
        "a fast face is not led",
        "red_align/tracking/track.py",
        "math.hypot(dx, dy) > FAST * last.side",
        "False",
        (PANS,),
    ),
    Patch(
        "a turned frame's faces are turned the other way",
        "red_align/tracking/detector.py",
        "region.angle + turn * math.pi / 2",
        "region.angle - turn * math.pi / 2",
        (TURNED,),
    ),
)
PICTURES = (
    Patch(
        "a crop is cut half a pixel off",
        "red_align/geometry.py",
        "middle, scale = (size - 1) / 2.0,",
        "middle, scale = size / 2.0,",
        (f"{LIBRARY}/test_geometry.py", f"{LIBRARY}/test_crop.py"),
    ),
    Patch(
        "regions are not on their grid",
        "red_align/geometry.py",
        "round(self.cx / step) * step, round(self.cy / step) * step, side,",
        "self.cx, self.cy, side,",
        (f"{LIBRARY}/test_geometry.py", RULES),
    ),
    Patch(
        "a display matrix's quarter turn is not applied",
        "red_align/media/decoded.py",
        "    swap = abs(a) + abs(d) < abs(b) + abs(c)",
        "    swap = False",
        (f"{LIBRARY}/media/test_decode.py",),
    ),
    Patch(
        "a display matrix's mirror is not applied",
        "red_align/media/decoded.py",
        "    flip_x = (c if swap else a) < 0",
        "    flip_x = False",
        (f"{LIBRARY}/media/test_decode.py",),
    ),
    Patch(
        "a live JPEG's orientation is not applied",
        "red_align/media/images.py",
        "    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:\n        return None",
        "    if False:\n        return None",
        (f"{LIBRARY}/media/test_decode_images.py",),
    ),
    Patch(
        "work that a process died of is not tried again",
        "red_align/media/decode_pool.py",
        "if attempt == 2 or not process.died:",
        "if True:",
        (f"{LIBRARY}/media/test_isolated.py",),
    ),
)
SEQUENCES = (
    Patch(
        "a sequence begins with what its slot knew",
        "red_align/engine/onnx_engine.py",
        "[[float(call.start)] for call in calls]",
        "[[0.0] for call in calls]",
        (ENGINE,),
    ),
    Patch(
        "faces of a batch have each other's memory",
        "red_align/engine/onnx_engine.py",
        "_Slot(_row(out[contract.NEXT_STATE], row), self._clock())",
        "_Slot(_row(out[contract.NEXT_STATE], 0), self._clock())",
        (ENGINE,),
    ),
    Patch(
        "an expired sequence does not say that it was resumed",
        "red_align/engine/onnx_engine.py",
        "resumed=start and not request.start",
        "resumed=False",
        (ENGINE,),
    ),
    Patch(
        "the stream goes on one frame behind its token",
        "service/streams/live.py",
        "return self._tracker.state(self.next_index)",
        "return self._tracker.state(self.next_index + 1)",
        (f"{SERVICE}/test_live_run.py",),
    ),
    Patch(
        "a token comes before its frame",
        "service/streams/session.py",
        "        result = self._result(waiting, following)\n"
        "        due = (self._stream.next_index - self._first) % self._resume_every == 0\n"
        '        return shapes.frame(result, self._stream.token if due else "")\n',
        "        token = self._stream.token\n"
        "        result = self._result(waiting, following)\n"
        "        due = (self._stream.next_index - self._first) % self._resume_every == 0\n"
        '        return shapes.frame(result, token if due else "")\n',
        ("tests/integration/rpc/test_resuming.py",),
    ),
    Patch(
        "the newest frame is dropped and not the older ones",
        "service/streams/frame_queue.py",
        "                for older in self._waiting:\n                    older.frame = None\n",
        "                for older in list(self._waiting)[:-1]:\n                    older.frame = None\n",
        (f"{SERVICE}/test_frame_queue.py",),
    ),
    Patch(
        "a new face behind a joint takes an old number",
        "red_align/clip/joints.py",
        "self._known[track_id], self.next_id = self.next_id, self.next_id + 1",
        "self._known[track_id] = track_id",
        (f"{LIBRARY}/clip/test_joints.py",),
    ),
)
PATCHES = (*SECURITY, *LIMITS, *FOLLOWING, *PICTURES, *SEQUENCES)
