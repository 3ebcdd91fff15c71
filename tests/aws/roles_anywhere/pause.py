"""Waiting by a relative time."""

import select


def pause(seconds):
    """As time.sleep, which waits for a moment of the monotonic clock and fails under libfaketime 0.9.10."""
    select.select([], [], [], seconds)
