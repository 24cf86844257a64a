"""Forms in which results are written: JSON, NDJSON, CSV, Parquet, ``.pts``, subtitles, overlays; and ``save``."""
