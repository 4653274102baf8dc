"""What works beside the engine by itself: timers, turns, calls, polls."""
