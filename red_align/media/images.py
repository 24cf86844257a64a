"""Images and animated images through Pillow: upright (EXIF applied), RGB, strict about truncation."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from red_align.errors import BadFrame, InvalidRequest, NoFrames, RedAlignError, TooLarge, UnreadableMedia
from red_align.frames import Frame, VideoInfo
from red_align.media.stills.gif import has_end
from red_align.media.stills.opening import open_image
from red_align.media.stills.pages import ANIMATED, PAGE_S, duration_s, frames_of, others_of

# Sizes are checked against our own limit before decoding, so Pillow's warning of large images says nothing new.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)

HEAD_BYTES = 64
"""Of a file: enough to know what it is."""

SizeCheck = Callable[[int, int], None]
Room = Callable[[tuple[int, int, int]], NDArray[np.uint8]]


def decode_frame(data: bytes, check: SizeCheck, room: Room | None = None) -> NDArray[np.uint8]:
    """Decode one JPEG, PNG or WebP.

    Args:
        data: The file's bytes.
        check: Called with width and height as stored, pixels, before decoding; raises TooLarge.
        room: Gives an array of a shape to decode into, where the decoder can; by default a new one.

    Returns:
        RGB uint8 [H, W, 3], upright (the EXIF orientation is applied).

    Raises:
        BadFrame: It is no JPEG, PNG or WebP that decodes.
        TooLarge: What ``check`` raises.
    """
    with (
        _failing_as(BadFrame, "the frame is no JPEG, PNG or WebP that decodes"),
        Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as image,
    ):
        check(*image.size)
        plain = _plain_jpeg(image, data, room or (lambda shape: np.empty(shape, np.uint8)))
        return _upright_rgb(image) if plain is None else plain


def _plain_jpeg(image: Image.Image, data: bytes, room: Room) -> NDArray[np.uint8] | None:
    """An upright JPEG in colours or grey, by libjpeg-turbo straight into its place: Pillow copies it twice more.

    None for any other picture, and for one with the least fault: what of that is let pass is Pillow's to say.
    """
    if image.format != "JPEG" or image.mode not in ("RGB", "L"):
        return None
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        return None
    try:
        return np.asarray(simplejpeg.decode_jpeg(data, buffer=room((image.height, image.width, 3))), np.uint8)
    except ValueError:
        return None


class ImageReader:
    """A still image (one frame at 0 s), an animated GIF, PNG or WebP, or the pages of a TIFF.

    Implements red_align.media.reader.Reader.

    Args:
        path: The file.
        check: Called with width and height of frames, pixels; raises TooLarge.
        check_length: Called with the number of frames and seconds so far; raises TooLarge.
        check_animation: Called with the number of frames, width and height before any decodes; raises TooLarge.

    Raises:
        UnreadableMedia: The image does not decode.
        NoFrames: It holds no frame.
        TooLarge: What the checks raise.
    """

    def __init__(
        self,
        path: Path,
        check: SizeCheck,
        check_length: Callable[[int, float], None] | None = None,
        check_animation: Callable[[int, int, int], None] | None = None,
    ) -> None:
        self.complete = True
        self.count = 0
        self.warnings: list[str] = []
        self._path, self._check, self._check_length = path, check, check_length
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        with _failing_as(UnreadableMedia, "the image does not decode"):
            self._image, missing = open_image(path, head)
            check(*self._image.size)
            count = int(getattr(self._image, "n_frames", 1)) if self._image.format in ANIMATED else 1
            if check_animation is not None:
                check_animation(count, *self._image.size)
            if check_length is not None:
                check_length(count, 0.0)
            self._pages = frames_of(self._image)
            if not self._pages:
                raise NoFrames("the image holds no frame")
            self._first = self._page(0)
        height, width = self._first.shape[:2]
        rate = 1.0 / self._shown_s if len(self._pages) > 1 else 0.0
        if missing:
            self.complete = False
            self.warnings.append(f"{missing}: {len(self._pages)} whole frames are there")
        if others := others_of(self._image):
            self.warnings.append(others)
        if rate and self._image.format == "TIFF":
            self.warnings.append(f"the file has no times: {1.0 / PAGE_S:g} frames a second are assumed")
            rate = 0.0
        self.info = VideoInfo(width, height, rate)

    def frames(self, stride: int = 1, *, planes: bool = False) -> Iterator[Frame]:
        """See Reader.frames; all are RGB."""
        time_s, count = 0.0, len(self._pages)
        for index in range(count):
            try:
                with _failing_as(UnreadableMedia, f"broke off at frame {index} of {count}"):
                    if self._check_length is not None:
                        self._check_length(index + 1, time_s)
                    image = self._first if index == 0 else self._page(index)
            except RedAlignError as error:
                self.complete = False
                self.warnings.append(error.message)
                return
            self.count = index + 1
            if index % stride == 0:
                yield Frame(index, time_s, image)
            time_s += self._shown_s
        if self._image.format == "GIF" and not has_end(self._path):
            self.complete = False
            self.warnings.append(f"the file breaks off after frame {count - 1}")

    def close(self) -> None:
        """See Reader.close."""
        self._image.close()

    def _page(self, index: int) -> NDArray[np.uint8]:
        if self._image.tell() != self._pages[index]:
            self._image.seek(self._pages[index])
        self._check(*self._image.size)  # A frame of a GIF may reach beyond its canvas and enlarge it.
        image = _upright_rgb(self._image)
        self._shown_s = duration_s(self._image)
        return image


@contextmanager
def _failing_as(kind: type[InvalidRequest], what: str) -> Iterator[None]:
    """Damaged bytes make Pillow raise nearly anything; all of it means the same to the user."""
    try:
        yield
    except RedAlignError:
        raise
    except Image.DecompressionBombError as error:
        raise TooLarge("the image has far more pixels than the limit allows", limit="max_frame_pixels") from error
    except Exception as error:
        raise kind(f"{what}: {_reason(error)}") from error


def _upright_rgb(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I;16"):  # 16-bit grey: Pillow would clip it, not scale it.
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        image_8 = Image.fromarray(grey)
        image_8.info = image.info
        image = image_8
    image.load()  # Orientation and mode may stand, or change, behind the pixels.
    # Each of these steps copies the whole picture, also where there is nothing to do.
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode != "RGB":
        image = image.convert("RGB")
    return np.asarray(image, np.uint8)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image of a known format"
    return str(error) or type(error).__name__
