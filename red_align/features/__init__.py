"""What follows from a face's points: head pose, expression, the aligned crop, fewer points, calmer points."""
