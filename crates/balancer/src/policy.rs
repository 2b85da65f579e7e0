//! Choosing one of the targets of a tier.

mod consistent_hash;
mod least_connections;
mod lowest;
mod p2c;
mod peak_ewma;
mod prefix_affinity;
mod priority;
mod random;
mod token_latency;
mod turns;

use std::panic::{AssertUnwindSafe, catch_unwind};

use ai_gateway_health::Moment;

use crate::algorithm::Algorithm;
use crate::ask::Ask;
use crate::clock::ClockSource;
use crate::desk::Way;
use crate::gate::Glance;
use crate::node::Shared;
use crate::random::{Random, below};
use crate::sync::Ordering;
use crate::tier::{Member, Tier};

pub(crate) use self::consistent_hash::{RENDEZVOUS, Table};

/// A way to choose among targets, for those that this crate lacks.
///
/// ```
/// use ai_gateway_balancer::{Algorithm, Balancer, Policy, Pool, Target};
///
/// /// The open target whose name sorts first.
/// struct Alphabetical;
///
/// impl Policy for Alphabetical {
///     fn name(&self) -> &str {
///         "alphabetical"
///     }
///
///     fn choose(&self, pool: &Pool<'_>) -> Option<usize> {
///         (0..pool.len()).filter(|&i| pool.is_open(i)).min_by_key(|&i| pool.id(i))
///     }
/// }
///
/// let balancer = Balancer::builder("names")
///     .algorithm(Algorithm::custom(Alphabetical))
///     .target(Target::new("b", ()))
///     .target(Target::new("a", ()))
///     .build()?;
/// assert_eq!(balancer.pick()?.target_id(), "a");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Policy: Send + Sync + 'static {
    /// The policy's name, for people to read.
    fn name(&self) -> &str;

    /// Chooses a target of `pool`, by its place, or none.
    ///
    /// Called on the way of a request: must not wait. A place that is not
    /// [open](Pool::is_open), or does not exist, or a panic, is taken for the first open place.
    fn choose(&self, pool: &Pool<'_>) -> Option<usize>;

    /// Whether requests are to be timed, so that [`Pool::seconds_per_token`] and
    /// [`Pool::first_byte_seconds`] mean something. Costs two reads of the clock a request.
    fn measures(&self) -> bool {
        false
    }
}

/// The targets of one tier among which a request's target is chosen, as they are now.
///
/// Places run from 0 to [`len`](Self::len); a place beyond has no requests, no weight and is not
/// open.
pub struct Pool<'a> {
    pub(crate) tier: &'a Tier,
    pub(crate) ask: &'a Ask<'a>,
    pub(crate) shared: &'a Shared,
    pub(crate) way: Way,
    /// Whether nothing was tried or found full, so that no place is shut for this request alone.
    pub(crate) is_plain: bool,
    /// Whether targets that this request tried, and may try again, are open.
    pub(crate) again: bool,
    /// Places that turned out not to be open when they were entered.
    pub(crate) closed: &'a [u32],
}

impl Pool<'_> {
    /// The number of places.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a tier without targets is never offered"
    )]
    pub fn len(&self) -> usize {
        self.tier.members.len()
    }

    /// Whether the target may be chosen: it takes traffic, has room, and was not tried before.
    #[inline]
    pub fn is_open(&self, place: usize) -> bool {
        self.member(place)
            .is_some_and(|member| self.is_open_member(place, member))
    }

    /// The target's name.
    pub fn id(&self, place: usize) -> &str {
        self.member(place).map_or("", |member| member.state.id())
    }

    /// Requests in flight.
    pub fn in_flight(&self, place: usize) -> u32 {
        self.member(place)
            .map_or(0, |member| member.state.in_flight())
    }

    /// The target's weight, less while its share grows after a recovery.
    pub fn weight(&self, place: usize) -> f32 {
        self.member(place).map_or(0.0, |member| member.weight)
    }

    /// Requests in flight, and recent failures as if they still were, and one, over the weight.
    pub fn load(&self, place: usize) -> f32 {
        self.member(place)
            .map_or(f32::INFINITY, |member| self.load_of(member))
    }

    /// Seconds that the target takes for a token of its answers, lately; the balancer's mean for
    /// a target that has answered nothing yet.
    pub fn seconds_per_token(&self, place: usize) -> f32 {
        self.member(place)
            .map_or_else(|| self.usual_spt(), |member| self.spt(member))
    }

    /// Seconds to the first byte, by a mean that rises at once and falls slowly; `None` before
    /// the first.
    pub fn first_byte_seconds(&self, place: usize) -> Option<f32> {
        let member = self.member(place)?;
        member.state.load.ttft(self.clock().now())
    }

    /// The share of requests that passed, lately, from 0 to 1.
    pub fn success(&self, place: usize) -> f32 {
        self.member(place)
            .map_or(0.0, |member| member.state.load.success())
    }

    /// What the target charges for the model it would serve, as the caller said.
    pub fn price(&self, place: usize) -> f32 {
        self.member(place)
            .map_or(f32::INFINITY, |member| member.price)
    }

    /// Tokens used in the last minute over the budget for a minute.
    pub fn usage(&self, place: usize) -> f32 {
        self.member(place).map_or(f32::INFINITY, |member| {
            member.state.load.usage(self.clock().now())
        })
    }

    /// The request's key, where it has one.
    pub fn key(&self) -> Option<u64> {
        self.ask.key
    }

    /// Chooses a place at random; repeatable where the balancer was given a seed.
    pub fn random_place(&self) -> usize {
        below(self.random().word(), self.len())
    }

    /// The time.
    pub fn now(&self) -> Moment {
        self.clock().now()
    }

    #[inline]
    pub(crate) fn member(&self, place: usize) -> Option<&Member> {
        self.tier.members.get(place)
    }

    #[inline]
    pub(crate) fn is_open_member(&self, place: usize, member: &Member) -> bool {
        self.is_open_at(place, member, member.state.glance_for(member.cap()))
    }

    #[inline]
    fn is_open_at(&self, place: usize, member: &Member, glance: Glance) -> bool {
        (glance.serves() || self.tier.panics)
            && glance.in_flight() < member.cap()
            && (self.is_plain || !self.is_shut(place, member))
    }

    /// Whether this request has tried the target, or found it full.
    #[inline(never)]
    fn is_shut(&self, place: usize, member: &Member) -> bool {
        let is_tried = self.ask.shuts(member.state.serial(), self.again);
        is_tried || self.closed.iter().any(|&shut| shut as usize == place)
    }

    /// The member's load, if it is open; by one look at it.
    #[inline]
    pub(crate) fn open_load(&self, place: usize, member: &Member) -> Option<f32> {
        let glance = member.state.glance();
        self.is_open_at(place, member, glance)
            .then(|| self.demand(member, glance) * member.inverse_weight)
    }

    #[inline]
    pub(crate) fn load_of(&self, member: &Member) -> f32 {
        self.demand(member, member.state.glance()) * member.inverse_weight
    }

    #[cold]
    fn ghosts(&self, member: &Member) -> f32 {
        member.state.ghosts(self.clock().now())
    }

    /// Requests in flight, and recent failures as if they still were, and one.
    #[inline]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a load needs no more than 24 bits"
    )]
    fn demand(&self, member: &Member, glance: Glance) -> f32 {
        let in_flight = glance.in_flight() as f32 + 1.0;
        if glance.is_haunted() {
            in_flight + self.ghosts(member)
        } else {
            in_flight
        }
    }

    #[inline]
    pub(crate) fn spt(&self, member: &Member) -> f32 {
        let known = member.state.load.spt();
        if known > 0.0 { known } else { self.usual_spt() }
    }

    /// What to take for the seconds per token of a target that has none yet.
    #[inline]
    pub(crate) fn usual_spt(&self) -> f32 {
        f32::from_bits(self.shared.usual_spt.load(Ordering::Relaxed))
    }

    #[inline]
    pub(crate) fn clock(&self) -> &ClockSource {
        &self.shared.clock
    }

    #[inline]
    pub(crate) fn random(&self) -> &Random {
        &self.shared.random
    }

    /// The first open place.
    pub(crate) fn first_open(&self) -> Option<usize> {
        let open =
            |(place, member): (usize, &Member)| self.is_open_member(place, member).then_some(place);
        self.tier.members.iter().enumerate().find_map(open)
    }

    /// The open place with the lowest score: of all up to 16, else of four drawn at random.
    ///
    /// The score is given the member, and its requests in flight, recent failures as if they still
    /// were, and one. Looks from a place drawn at random on, so that ties fall evenly.
    #[inline]
    pub(crate) fn lowest(&self, score: impl Fn(&Member, f32) -> f32) -> Option<usize> {
        let len = self.len();
        let start = below(self.random().word(), len);
        if len > SCAN {
            let drawn = self.lowest_of_drawn(start, self.random().word(), &score);
            if drawn.is_some() {
                return drawn;
            }
        }
        let (before, after) = self.tier.members.split_at(start.min(len));
        let best = self.scan(Best::NONE, 0, (start, after), &score);
        let best = self.scan(best, after.len(), (0, before), &score);
        Some(wrapped(start + best.turn()?, len))
    }

    /// The better of `best` and what is open of `members`, which come from `place` and `turn` on.
    #[inline]
    fn scan(
        &self,
        mut best: Best,
        turn: usize,
        (place, members): (usize, &[Member]),
        score: &impl Fn(&Member, f32) -> f32,
    ) -> Best {
        for (n, member) in members.iter().enumerate() {
            best = best.min(self.weigh(place + n, member, turn + n, score));
        }
        best
    }

    /// The open place with the lowest score of four different ones drawn at random.
    ///
    /// One of each quarter of the places, which begin anywhere: so that no two are the same, and
    /// each place is as likely as any other.
    #[inline]
    fn lowest_of_drawn(
        &self,
        start: usize,
        mut word: u64,
        score: &impl Fn(&Member, f32) -> f32,
    ) -> Option<usize> {
        let len = self.len();
        let width = len / DRAWS;
        let mut best = Best::NONE;
        for quarter in 0..DRAWS {
            let turn = quarter * width + below(word << 48, width);
            let place = wrapped(start + turn, len);
            if let Some(member) = self.member(place) {
                best = best.min(self.weigh(place, member, turn, score));
            }
            word >>= 16;
        }
        Some(wrapped(start + best.turn()?, len))
    }

    /// The member's score, seen at `turn`; nothing unless it is open.
    #[inline]
    fn weigh(
        &self,
        place: usize,
        member: &Member,
        turn: usize,
        score: &impl Fn(&Member, f32) -> f32,
    ) -> Best {
        let glance = member.state.glance();
        if self.is_open_at(place, member, glance) {
            Best::new(score(member, self.demand(member, glance)), turn)
        } else {
            Best::NONE
        }
    }
}

/// A place that is less than one round too far.
#[inline]
const fn wrapped(place: usize, len: usize) -> usize {
    if place < len { place } else { place - len }
}

/// The lowest score so far, and at which turn it was seen: one word, so that the lesser of two,
/// and of equals the earlier, costs no jump that the processor would have to guess.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
struct Best(u64);

impl Best {
    /// Nothing seen: a score must be finite to be better.
    const NONE: Self = Self((f32::INFINITY.to_bits() as u64) << 32);

    /// Scores are not negative, so they are in the order of their bits.
    #[inline]
    fn new(score: f32, turn: usize) -> Self {
        Self(u64::from(score.to_bits()) << 32 | turn as u64)
    }

    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the turn is the lower half"
    )]
    fn turn(self) -> Option<usize> {
        (self < Self::NONE).then_some(self.0 as u32 as usize)
    }
}

impl std::fmt::Debug for Pool<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// Up to how many targets all are looked at.
pub(crate) const SCAN: usize = 16;
/// How many are drawn of more.
const DRAWS: usize = 4;

impl Algorithm {
    /// Chooses an open place of `pool`.
    #[inline]
    pub(crate) fn choose(&self, pool: &Pool<'_>) -> Option<usize> {
        match self {
            Self::RoundRobin | Self::Weighted => turns::choose(pool),
            Self::LeastConnections => least_connections::choose(pool),
            Self::Random => random::choose(pool),
            Self::P2c => p2c::choose(pool),
            Self::TokenLatency => token_latency::choose(pool),
            Self::PeakEwma => peak_ewma::choose(pool),
            Self::ConsistentHash => consistent_hash::choose(pool),
            Self::PrefixAffinity => prefix_affinity::choose(pool),
            Self::Priority => priority::choose(pool),
            Self::LowestCost => lowest::cost(pool),
            Self::LowestUsage => lowest::usage(pool),
            Self::Custom(policy) => custom(policy.as_ref(), pool),
        }
    }
}

/// Asks a policy that this crate knows nothing of, and makes the best of any answer.
fn custom(policy: &dyn Policy, pool: &Pool<'_>) -> Option<usize> {
    match catch_unwind(AssertUnwindSafe(|| policy.choose(pool))) {
        Ok(None) => None,
        Ok(Some(place)) if pool.is_open(place) => Some(place),
        Ok(Some(_)) | Err(_) => pool.first_open(),
    }
}
