//! What a row of the catalogue says: a fault, and what is to come of it.

use ai_gateway_testkit::{Behaviour, Dialect, Fault, RawCue, RawStep};
use serde_json::{Value, json};

use crate::asking::Form;
use crate::heard::End;
use crate::scenes::Scene;
use crate::tls::Certificate;

/// A fault of the first of two targets, and what is to come of a request then.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The fault's number in the specification.
    pub(crate) id: &'static str,
    /// What the first target does, for people.
    pub(crate) what: &'static str,
    pub(crate) dialect: Dialect,
    pub(crate) upset: Upset,
    /// Whether there is a second target, a good one, for worse days.
    pub(crate) has_second: bool,
    /// How the second target behaves.
    pub(crate) second: Behaviour,
    /// Whether the client offers a tool, which a stand-in calls.
    pub(crate) offers_tool: bool,
    /// Laid over the upstream's settings, member by member.
    pub(crate) settings: Value,
    /// How often is asked, one after the other.
    pub(crate) asks: usize,
    pub(crate) plain: Option<Expected>,
    pub(crate) stream: Option<Expected>,
    /// What comes of it, in words, where that is more than an answer.
    pub(crate) told: Option<&'static str>,
}

/// What the first target does.
#[derive(Clone, Debug)]
pub(crate) enum Upset {
    /// Answers each request like this.
    Behaves(Behaviour),
    /// Answers the first request like this, and the others well.
    Once(Behaviour),
    /// Takes no connection.
    Down,
    /// Answers no attempt to connect.
    Unreachable,
    /// Sends these bytes.
    Raw(RawCue, Vec<RawStep>),
    /// The same, where TLS is expected.
    RawTls(Vec<RawStep>),
    /// Shows this certificate.
    Tls(Certificate),
    /// Is nowhere.
    NoSuchHost,
    /// Answers slowly, and the client leaves before the head.
    LeftBeforeHead,
    /// Answers slowly, and the client leaves in the middle of the body.
    LeftInBody,
    /// More than one request, or other targets.
    Scene(Scene),
}

/// What is to come of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) status: u16,
    pub(crate) end: End,
    /// The target that the answer names; nobody when empty.
    pub(crate) target: &'static str,
    /// What the answer says of attempts; nothing when 0.
    pub(crate) attempts: usize,
    pub(crate) blame: Blame,
    /// What the answer says of when to come back.
    pub(crate) retry_after: Option<&'static str>,
}

/// What the first target's health shows afterwards.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Blame {
    /// Nothing.
    Nobody,
    /// A failure of this kind.
    Failure(&'static str),
    /// It cools, and nothing else is held against it.
    Cools,
    /// It is out.
    Out,
}

impl Row {
    /// A row of OpenAI's dialect whose plain and streamed outcome are the same.
    pub(crate) fn both(
        id: &'static str,
        what: &'static str,
        upset: Upset,
        expected: Expected,
    ) -> Self {
        Self {
            id,
            what,
            dialect: Dialect::OpenAi,
            upset,
            has_second: true,
            second: Behaviour::default(),
            offers_tool: false,
            settings: json!({}),
            asks: 1,
            plain: Some(expected),
            stream: Some(expected),
            told: None,
        }
    }

    /// A row of which only the plain outcome counts.
    pub(crate) fn plain(
        id: &'static str,
        what: &'static str,
        upset: Upset,
        expected: Expected,
    ) -> Self {
        Self {
            stream: None,
            ..Self::both(id, what, upset, expected)
        }
    }

    /// A row of which only the streamed outcome counts.
    pub(crate) fn stream(
        id: &'static str,
        what: &'static str,
        upset: Upset,
        expected: Expected,
    ) -> Self {
        Self {
            plain: None,
            ..Self::both(id, what, upset, expected)
        }
    }

    /// A scene, and what comes of it in words.
    pub(crate) fn scene(
        id: &'static str,
        what: &'static str,
        scene: Scene,
        told: &'static str,
    ) -> Self {
        let mut nobody = is_whole(0);
        nobody.target = "";
        Self {
            told: Some(told),
            ..Self::both(id, what, Upset::Scene(scene), nobody)
        }
    }

    /// Only its plain form.
    pub(crate) fn only_plain(self) -> Self {
        Self {
            stream: None,
            ..self
        }
    }

    /// Only its streamed form.
    pub(crate) fn only_streamed(self) -> Self {
        Self {
            plain: None,
            ..self
        }
    }

    /// The second target behaves like this.
    pub(crate) fn second(mut self, behaviour: Behaviour) -> Self {
        self.second = behaviour;
        self
    }

    /// The client offers a tool.
    pub(crate) fn offering_tool(mut self) -> Self {
        self.offers_tool = true;
        self
    }

    pub(crate) fn with(mut self, settings: Value) -> Self {
        self.settings = settings;
        self
    }

    pub(crate) fn anthropic(self) -> Self {
        self.of(Dialect::Anthropic)
    }

    pub(crate) fn of(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    pub(crate) fn alone(mut self) -> Self {
        self.has_second = false;
        self
    }

    pub(crate) fn asked(mut self, asks: usize) -> Self {
        self.asks = asks;
        self
    }

    pub(crate) fn expected(&self, form: Form) -> Option<Expected> {
        match form {
            Form::Plain => self.plain,
            Form::Stream => self.stream,
        }
    }
}

impl Expected {
    pub(crate) fn coming_back(mut self, after: &'static str) -> Self {
        self.retry_after = Some(after);
        self
    }
}

/// The second target answers, whole, in the attempt of that number.
pub(crate) const fn fails_over(attempts: usize, blame: Blame) -> Expected {
    Expected {
        status: 200,
        end: End::Whole,
        target: "second",
        attempts,
        blame,
        retry_after: None,
    }
}

/// The first target answers, whole.
pub(crate) const fn is_whole(attempts: usize) -> Expected {
    Expected {
        target: "first",
        ..fails_over(attempts, Blame::Nobody)
    }
}

/// The first target's stream is gone on with by the second, to its end.
pub(crate) const fn goes_on(blame: Blame) -> Expected {
    Expected {
        target: "first",
        ..fails_over(1, blame)
    }
}

/// The first target's stream ends in an error event.
pub(crate) const fn breaks(blame: Blame) -> Expected {
    Expected {
        status: 200,
        end: End::ErrorEvent,
        target: "first",
        attempts: 1,
        blame,
        retry_after: None,
    }
}

/// The client is told, after so many attempts; `target` when the words are a target's own.
pub(crate) const fn is_told(
    status: u16,
    target: &'static str,
    attempts: usize,
    blame: Blame,
) -> Expected {
    Expected {
        status,
        end: End::Error,
        target,
        attempts,
        blame,
        retry_after: None,
    }
}

/// Each request is answered with a status.
pub(crate) fn status(status: u16) -> Upset {
    Upset::Behaves(Behaviour::status(status))
}

/// Each request meets a fault; events come with a pause, so that neither a reset outruns them nor a
/// machine at work sees several at once, before which another target would take over.
pub(crate) fn fault(fault: Fault) -> Upset {
    Upset::Behaves(Behaviour {
        event_gap: EVENT_GAP,
        fault: Some(fault),
        ..Behaviour::default()
    })
}

const EVENT_GAP: std::time::Duration = std::time::Duration::from_millis(60);
