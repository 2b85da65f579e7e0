//! The guide's upstream, end to end, over two stand-in providers.

fn main() {}
