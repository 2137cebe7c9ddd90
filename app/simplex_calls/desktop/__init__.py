"""The program on a desktop: windows, notifications, or pages in the user's browser."""
