pub fn run(_plots: Option<&str>) {}
