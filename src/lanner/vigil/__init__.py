"""Is anything missed? Decisions about sources that fall silent, and about API servers that lose events.

Decisions are functions of a state, what was seen and the time; files, sockets and clocks are at the edge (`watch`).
"""
