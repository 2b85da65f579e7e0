//! The operator's tool: talks to a running gateway, and serves the Admin API alone.

fn main() {}
