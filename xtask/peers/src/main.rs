//! Measures the balancer beside others: `peers pick` what a pick costs, `peers quality` how well
//! it balances. Both print Markdown.

mod cost;
mod pick;
mod quality;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("pick") => pick::run(),
        Some("quality") => quality::run(
            arguments.get(1).map(String::as_str).filter(|folder| *folder != "-"),
            arguments.get(2..).unwrap_or_default(),
        ),
        _ => {
            eprintln!("usage: peers pick | peers quality [FOLDER FOR PLOTS, OR - [SCENARIO]...]");
            std::process::exit(2);
        }
    }
}
