#!/bin/sh
# Removes from an environment what no server reads: tests, headers and stubs of packages, haarcascades of OpenCV, the
# quantiser and other tools of ONNX Runtime. Usage: trim.sh ENVIRONMENT
set -eu
cd "$1"/lib/python3*/site-packages
find . -type d \( -name tests -o -name testing \) -not -path './opentelemetry/*' -not -path './google/*' -prune \
    -exec rm -rf {} +
find . -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.h' -o -name '*.a' \) -delete
rm -rf cv2/data numpy/f2py numpy/distutils
for part in transformers tools quantization datasets; do
    rm -rf "onnxruntime/$part"
done
