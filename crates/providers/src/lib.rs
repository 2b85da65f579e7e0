//! Translates requests, answers, streams and errors between dialects.
