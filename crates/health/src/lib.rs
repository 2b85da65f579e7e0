//! Decides from verdicts and the time whether a target takes traffic.
