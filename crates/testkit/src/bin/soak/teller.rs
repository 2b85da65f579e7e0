//! A target that tells each stream its tale until it is to end.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::origin::{self, Answers, Asked, Next};
use crate::tale;

/// Tells an event every now and then, until it is told to end.
#[derive(Debug)]
pub(crate) struct Teller {
    gap: Duration,
    is_over: watch::Receiver<bool>,
    /// How many events each stream was told that was ended as it should be.
    told: Mutex<HashMap<u64, u64>>,
}

impl Teller {
    pub(crate) fn new(gap: Duration, is_over: watch::Receiver<bool>) -> Self {
        Self {
            gap,
            is_over,
            told: Mutex::default(),
        }
    }

    /// How many events `stream` was told; `None` when it was not told its end.
    pub(crate) fn told(&self, stream: u64) -> Option<u64> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.get(&stream).copied()
    }

    /// Tells `stream` its tale to its end.
    pub(crate) async fn tell(&self, stream: u64, to: &mut TcpStream) -> io::Result<Next> {
        let mut is_over = self.is_over.clone();
        origin::begin_stream(to, "connection: close\r\n").await?;
        let mut number = 0;
        let mut has_ended = false;
        while !has_ended {
            origin::send(to, &tale::event(stream, number)).await?;
            number += 1;
            let over = timeout(self.gap, is_over.wait_for(|is_over| *is_over)).await;
            // A run that is gone needs no more of it.
            has_ended = over.is_ok();
        }
        origin::send(to, &tale::finish(stream)).await?;
        origin::send(to, tale::DONE).await?;
        origin::end_stream(to).await?;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(stream, number);
        Ok(Next::Close)
    }
}

/// The stream that a request asks for.
pub(crate) fn stream_of(asked: &Asked) -> Option<u64> {
    asked.question().strip_prefix("tale ")?.parse().ok()
}

impl Answers for Teller {
    async fn answer(&self, asked: &Asked, to: &mut TcpStream) -> io::Result<Next> {
        match stream_of(asked) {
            Some(stream) => self.tell(stream, to).await,
            None => Ok(Next::Close),
        }
    }
}
