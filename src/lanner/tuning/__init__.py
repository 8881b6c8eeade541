"""Past alerts to proposals of exceptions, and what these would silence."""
