//! Measures the balancer beside others: `peers pick` what a pick costs, `peers instructions` how
//! many instructions of it, `peers quality` how well it balances. All print Markdown.

mod cost;
mod instructions;
mod pick;
mod quality;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("pick") => pick::run(),
        Some("instructions") => instructions::run(),
        Some(instructions::LOOP) => instructions::repeat(arguments.get(1..).unwrap_or_default()),
        Some("quality") => quality::run(
            arguments.get(1).map(String::as_str).filter(|folder| *folder != "-"),
            arguments.get(2..).unwrap_or_default(),
        ),
        _ => {
            eprintln!(
                "usage: peers pick | peers instructions | peers quality [FOLDER FOR PLOTS, OR - [SCENARIO]...]"
            );
            std::process::exit(2);
        }
    }
}
