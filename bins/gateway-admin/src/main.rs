//! The operator's tool: talks to a running gateway, and serves the Admin API alone.

mod args;
mod client;
mod commands;
mod connection;
mod documents;
mod failure;
mod noun;
mod output;
mod rehearsal;
mod serve;
mod session;
mod signals;
mod tables;
mod telling;
mod times;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{
    args::{Cli, Command},
    failure::Failure,
    session::Session,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            output::message(&format!("error: {failure}"));
            ExitCode::from(failure.exit_code())
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(cli: Cli) -> Result<(), Failure> {
    if let Command::Serve(serve) = &cli.command {
        let token = cli.connection.token()?;
        return serve::run(serve, token.as_ref()).await;
    }
    let session = Session::new(&cli.connection)?;
    commands::run(&session, cli.command).await
}
