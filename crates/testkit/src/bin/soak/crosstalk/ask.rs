//! One request: what it asks for, and when its client leaves.

use std::time::Duration;

use serde_json::{Value, json};

/// A request that says what its answer is to be.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) script: Script,
    pub(crate) is_stream: bool,
    /// Of Anthropic's dialect, which is translated; else of OpenAI's, which passes through.
    pub(crate) is_translated: bool,
    pub(crate) leaves: Leaves,
    padding: usize,
}

/// What the target is to do, as it stands in the question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Script {
    pub(crate) nonce: u64,
    pub(crate) marks: u32,
    /// Before the answer, and between two events.
    pub(crate) pause: Duration,
    /// Whether the target closes its connection behind the answer, and says so.
    pub(crate) closes: bool,
    /// What stands between two marks.
    pub(crate) filler: usize,
}

/// When a client leaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Leaves {
    /// When it has its answer.
    Never,
    /// In the midst of its own body.
    Asking,
    /// So long after it has asked, unless the head is there by then.
    Waiting(Duration),
    /// At that byte of the answer's body.
    Reading(usize),
}

impl Ask {
    /// The request of that number.
    pub(crate) fn draw(seed: u64, number: u64) -> Self {
        let mut random =
            fastrand::Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // Events that come at once are read at once; those with pauses meet the gateway in the midst of
        // a stream.
        let is_slow = random.u8(..3) == 0;
        let pause = if is_slow { random.u64(..10_000) } else { 0 };
        let script = Script {
            nonce: random.u64(..),
            marks: random.u32(1..12),
            pause: Duration::from_micros(pause),
            closes: random.u8(..50) == 0,
            filler: if random.u8(..32) == 0 {
                random.usize(..20_000)
            } else {
                random.usize(..80)
            },
        };
        let leaves = match random.u8(..16) {
            0 => Leaves::Asking,
            1 => Leaves::Waiting(Duration::from_micros(random.u64(..4_000))),
            2 | 3 => Leaves::Reading(random.usize(..=script.length())),
            _ => Leaves::Never,
        };
        Self {
            is_stream: random.bool(),
            is_translated: random.u8(..8) == 0,
            leaves,
            padding: if random.u8(..32) == 0 {
                random.usize(..100_000)
            } else {
                random.usize(..400)
            },
            script,
        }
    }

    pub(crate) fn path(&self) -> &'static str {
        if self.is_translated {
            "/v1/messages"
        } else {
            "/v1/chat/completions"
        }
    }

    pub(crate) fn body(&self) -> Value {
        let question = format!("{} {}", self.script.write(), "p".repeat(self.padding));
        json!({
            "model": "m", "max_tokens": 1000, "stream": self.is_stream,
            "messages": [{ "role": "user", "content": question }],
        })
    }

    /// What shows that a stream came to its end.
    pub(crate) fn proof(&self) -> &'static str {
        match (self.is_stream, self.is_translated) {
            (false, _) => "",
            (true, true) => "event: message_stop",
            (true, false) => "data: [DONE]",
        }
    }
}

impl Script {
    fn write(&self) -> String {
        let Self {
            nonce,
            marks,
            pause,
            closes,
            filler,
        } = self;
        let (pause, closes) = (pause.as_micros(), u8::from(*closes));
        format!("{nonce} {marks} {pause} {closes} {filler}")
    }

    /// What a question asks for.
    pub(crate) fn read(question: &str) -> Option<Self> {
        let mut words = question.split(' ');
        Some(Self {
            nonce: words.next()?.parse().ok()?,
            marks: words.next()?.parse().ok()?,
            pause: Duration::from_micros(words.next()?.parse().ok()?),
            closes: words.next()? == "1",
            filler: words.next()?.parse().ok()?,
        })
    }

    /// The piece of the answer that has the mark of that number.
    pub(crate) fn piece(&self, number: u32) -> String {
        super::marks::mark(self.nonce, number) + &"f".repeat(self.filler)
    }

    /// About how long an answer is.
    fn length(self) -> usize {
        let each = self.filler + 180;
        each * usize::try_from(self.marks).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::{Ask, Script};

    #[test]
    fn a_target_reads_what_the_client_wrote() {
        for number in 0..200 {
            let ask = Ask::draw(3, number);
            let body = ask.body();
            let question = body["messages"][0]["content"].as_str().unwrap();
            assert_eq!(Script::read(question), Some(ask.script));
        }
    }
}
