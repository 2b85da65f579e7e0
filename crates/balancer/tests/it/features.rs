//! What the optional features add.

#[cfg(feature = "http")]
mod http {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use ai_gateway_balancer::{Algorithm, Outcome, State};
    use bytes::Bytes;
    use http_body::{Body, Frame};
    use http_body_util::{BodyExt, Full};

    use crate::support::Rig;

    #[tokio::test]
    async fn a_body_holds_its_lease_to_its_end() {
        let rig = Rig::new(Algorithm::RoundRobin, &[1]);
        let lease = rig.balancer.pick().expect("one takes it");
        let body = lease.wrap_body(Outcome::Success, Full::new(Bytes::from_static(b"answer")));
        assert_eq!(rig.view("a").in_flight, 1);
        assert_eq!(body.collect().await.expect("whole").to_bytes(), "answer");
        assert_eq!(rig.view("a").in_flight, 0);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_counts_against_its_target() {
        let rig = Rig::new(Algorithm::RoundRobin, &[1]);
        for _ in 0..3 {
            let lease = rig.balancer.pick().expect("one takes it");
            let body = lease.wrap_body(Outcome::Success, Cut(false));
            assert!(body.collect().await.is_err());
        }
        assert_eq!(rig.state("a"), State::Unhealthy);
    }

    #[test]
    fn a_body_that_nobody_reads_to_its_end_is_a_caller_who_left() {
        let rig = Rig::new(Algorithm::RoundRobin, &[1]);
        for _ in 0..5 {
            let lease = rig.balancer.pick().expect("one takes it");
            drop(lease.wrap_body(Outcome::Success, Cut(false)));
        }
        assert_eq!(
            (rig.state("a"), rig.view("a").in_flight),
            (State::Healthy, 0)
        );
    }

    /// A body that breaks off after its first frame.
    struct Cut(bool);

    impl Body for Cut {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            let is_second = std::mem::replace(&mut self.0, true);
            let frame = Frame::data(Bytes::from_static(b"x"));
            Poll::Ready(Some(if is_second { Err("cut") } else { Ok(frame) }))
        }
    }
}

#[cfg(feature = "tower")]
mod tower {
    use std::convert::Infallible;

    use ai_gateway_balancer::{Balance, Balancer, Outcome, State, Target};
    use tower::{Service, ServiceExt, service_fn};

    #[tokio::test]
    async fn a_service_spreads_requests_and_learns_from_answers() {
        let target = |id: &'static str| {
            Target::new(
                id,
                service_fn(move |(): ()| async move { Ok::<_, Infallible>(id) }),
            )
        };
        let balancer = Balancer::builder("b")
            .target(target("a"))
            .target(target("b"))
            .build();
        let balancer = balancer.expect("the plan is sound");
        let judge = |answer: Result<&&str, &Infallible>| match answer {
            Ok(&"a") => crate::support::BROKEN,
            Ok(_) | Err(_) => Outcome::Success,
        };
        let mut service = Balance::new(balancer.clone(), judge);
        for _ in 0..6 {
            let ready = service.ready().await.expect("always ready");
            ready.call(()).await.expect("infallible");
        }
        let views = balancer.snapshot();
        assert_eq!(views[0].state(), State::Unhealthy);
        assert!(views.iter().all(|view| view.in_flight == 0));
        assert_eq!(service.clone().oneshot(()).await.expect("infallible"), "b");
        drop(service.call(()));
        assert!(balancer.snapshot().iter().all(|view| view.in_flight == 0));
    }
}

#[cfg(feature = "tokio")]
mod tokio_driver {
    use std::time::Duration;

    use ai_gateway_balancer::{Balancer, Clock, Settings, State, Target, drive_checks};

    /// Follows the clock of the test's runtime.
    struct Paused(tokio::time::Instant);

    impl Clock for Paused {
        fn now_ns(&self) -> u64 {
            u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn checks_are_made_when_due_and_slow_ones_fail() {
        let balancer = Balancer::builder("b")
            .clock(Paused(tokio::time::Instant::now()))
            .health(Settings::active())
            .target(Target::new("well", 0))
            .target(Target::new("stuck", 1))
            .build()
            .expect("the plan is sound");
        let check = |due: std::sync::Arc<ai_gateway_balancer::CheckDue<i32>>| async move {
            if **due == 1 {
                std::future::pending::<()>().await;
            }
            true
        };
        let drive = drive_checks(balancer.clone(), check);
        let _elapsed = tokio::time::timeout(Duration::from_secs(60), drive).await;
        let states: Vec<State> = balancer
            .snapshot()
            .iter()
            .map(|view| view.state())
            .collect();
        assert_eq!(states, [State::Healthy, State::Unhealthy]);
    }
}

#[cfg(feature = "serde")]
mod serde {
    use std::time::Duration;

    use ai_gateway_balancer::{Algorithm, Settings};

    #[test]
    fn settings_and_algorithms_are_read_as_they_are_written() {
        let written = r#"{"passive": true, "threshold": 3, "interval": 60}"#;
        let settings: Settings = serde_json::from_str(written).expect("it is complete");
        assert_eq!(
            settings,
            Settings::passive()
                .threshold(3)
                .interval(Duration::from_secs(60))
        );
        let again = serde_json::to_string(&settings).expect("it can be written");
        assert_eq!(
            serde_json::from_str::<Settings>(&again).expect("and read"),
            settings
        );
        assert!(serde_json::from_str::<Settings>(r#"{"threshold": 0}"#).is_err());
        assert!(serde_json::from_str::<Settings>(r#"{"treshold": 3}"#).is_err());
        let algorithm: Algorithm = serde_json::from_str(r#""least-conn""#).expect("a spelling");
        assert_eq!(
            serde_json::to_string(&algorithm).expect("a name"),
            r#""least-connections""#
        );
    }
}
