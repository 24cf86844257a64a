"""Does this Triton serve? A sequence of three steps through `red`, after a first frame through `red_acquire`.

With Python's own library alone, since it runs in Triton's image: `python3 serve_check.py [http://127.0.0.1:8000]`. Ends
with 1 and a sentence where an answer is missing or no number.
"""

import json
import math
import secrets
import sys
import urllib.error
import urllib.request

SIZE = 128
TIMEOUT_S = 15


def ask(url, body=None):
    """The JSON answer to a GET, or to a POST with a body."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=TIMEOUT_S) as answer:
        return json.load(answer)


def infer(server, model, prior, resume, **sequence):
    """Landmarks and memory of one row; raises ValueError where one of them is no number."""
    inputs = [
        {"name": "crop", "datatype": "UINT8", "shape": [1, SIZE, SIZE, 3], "data": [127] * (SIZE * SIZE * 3)},
        {"name": "prior", "datatype": "FP32", "shape": [1, len(prior)], "data": prior},
        {"name": "resume", "datatype": "FP32", "shape": [1, len(resume)], "data": resume},
    ]
    body = {"inputs": inputs, "outputs": [{"name": "landmarks"}, {"name": "memory"}], "parameters": sequence}
    found = {one["name"]: one["data"] for one in ask(f"{server}/v2/models/{model}/infer", body)["outputs"]}
    for name, values in found.items():
        if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in values):
            raise ValueError(f"{model} answered {name} that is no number")
    return found["landmarks"], found["memory"]


def check(server):
    """One sequence; it ends with its last step, so that its place is free again."""
    parameters = ask(f"{server}/v2/models/red/config")["parameters"]
    mean = [float(value) for value in parameters["mean_shape"]["string_value"].split(",")]
    fresh = [0.0] * int(parameters["memory"]["string_value"])
    prior, memory = infer(server, "red_acquire", mean, fresh)
    name = secrets.token_hex(16)
    for step in range(3):
        flags = {"sequence_start": step == 0, "sequence_end": step == 2}
        prior, memory = infer(server, "red", prior, memory, sequence_id=name, **flags)


def main():
    """Entry point."""
    server = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
    try:
        check(server)
    except urllib.error.HTTPError as error:
        return f"{error.url}: {error.code} {error.read().decode(errors='replace')}"
    except (OSError, ValueError, KeyError) as error:
        return f"{server}: {error}"
    print(f"{server} serves")
    return 0


if __name__ == "__main__":
    sys.exit(main())
