//! Takes a client's request to a target and the answer back.
