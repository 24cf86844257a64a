"""What every room of RED Align shares: types, point schemes, geometry, the crop, the tensor contract.

Depends on numpy and OpenCV alone (the generated stubs in ``landmarks.v1`` also on protobuf and grpcio).
"""
