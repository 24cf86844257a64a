"""More from a face's points: head pose, expression, alignment, fewer points, steadier points.

Functions of plain points [68, 2]: nothing in here knows frames or trackers, and nothing loads before it is asked for.
"""
