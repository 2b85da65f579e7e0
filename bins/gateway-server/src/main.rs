//! Joins the parts of the AI gateway and runs them.

fn main() {}
