//! Which addresses a target may have: checked where the connection is made, whatever its name
//! resolved to.

use std::error::Error as StdError;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower::Service;

/// Where targets may be.
///
/// Addresses that no provider has are refused in either case: link-local ones, under which clouds
/// serve their machines' credentials, the metadata addresses outside of that range, unspecified,
/// multicast and broadcast ones.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Reach {
    /// In private networks and on this machine as well: models that one hosts oneself.
    #[default]
    Private,
    /// In the public network only.
    Public,
}

/// The target's address is none that a target may have.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the target's address is not allowed")]
pub(crate) struct OutOfReach;

impl Reach {
    /// Whether a target may have the address.
    pub(crate) fn allows(self, address: IpAddr) -> bool {
        let address = unwrapped(address);
        !is_nobodys(address) && (self == Self::Private || !is_private(address))
    }

    /// Refuses an origin whose host is an address out of reach; names are checked as they resolve.
    pub(crate) fn check(self, origin: &Uri) -> Result<(), OutOfReach> {
        let host = origin.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match host.parse() {
            Ok(address) if !self.allows(address) => Err(OutOfReach),
            _ => Ok(()),
        }
    }
}

/// The IPv4 address within an IPv6 one, however it got there.
fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address.to_canonical() else {
        return address.to_canonical();
    };
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d).into()
    };
    match v6.segments() {
        // NAT64, 6to4 and the old compatible form.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => v4(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => v4(high, low),
        _ => v6.into(),
    }
}

fn is_nobodys(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_link_local()
                || v4.octets().first() == Some(&0)
                || v4.is_multicast()
                || v4.is_broadcast()
                || METADATA_V4.contains(&v4)
        }
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local()
                || v6.is_unspecified()
                || v6.is_multicast()
                || METADATA_V6.contains(&v6)
        }
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_loopback() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    }
}

/// A resolver that leaves out addresses out of reach. What it answers is what is dialled.
#[derive(Clone, Debug)]
pub(crate) struct Resolver {
    system: GaiResolver,
    reach: Reach,
}

impl Resolver {
    pub(crate) fn new(reach: Reach) -> Self {
        Self {
            system: GaiResolver::new(),
            reach,
        }
    }
}

type BoxError = Box<dyn StdError + Send + Sync>;

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.system.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let found = self.system.call(name);
        let reach = self.reach;
        Box::pin(async move {
            let allowed: Vec<_> = found
                .await?
                .filter(|address| reach.allows(address.ip()))
                .collect();
            if allowed.is_empty() {
                return Err(OutOfReach.into());
            }
            Ok(allowed.into_iter())
        })
    }
}

/// Metadata services outside of the link-local range: Alibaba's and Oracle's.
const METADATA_V4: [Ipv4Addr; 2] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];
/// Amazon's and Google's.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(reach: Reach, address: &str) -> bool {
        reach.allows(address.parse().unwrap())
    }

    #[test]
    fn nobodys_addresses_are_refused_in_every_spelling() {
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "100.100.100.200",
            "192.0.0.192",
            "::",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
        ] {
            assert!(!allows(Reach::Private, address), "{address}");
            assert!(!allows(Reach::Public, address), "{address}");
        }
    }

    #[test]
    fn private_addresses_are_for_those_who_host_models_themselves() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "fd12::1",
        ] {
            assert!(allows(Reach::Private, address), "{address}");
            assert!(!allows(Reach::Public, address), "{address}");
        }
        for address in ["1.1.1.1", "2606:4700::1111", "172.32.0.1", "100.128.0.1"] {
            assert!(allows(Reach::Public, address), "{address}");
        }
    }

    #[tokio::test]
    async fn a_name_is_checked_by_what_it_resolves_to() {
        // The last three are how old C libraries spell 127.0.0.1.
        for name in ["localhost", "2130706433", "0x7f000001", "0177.0.0.1"] {
            let found = Resolver::new(Reach::Public).call(name.parse().unwrap());
            assert!(found.await.is_err(), "{name}");
        }
        let found = Resolver::new(Reach::Private).call("localhost".parse().unwrap());
        assert!(found.await.is_ok());
    }

    #[test]
    fn an_address_in_an_origin_is_checked_too() {
        for origin in [
            "http://169.254.169.254:80",
            "https://[::ffff:169.254.169.254]",
        ] {
            assert!(Reach::Private.check(&origin.parse().unwrap()).is_err());
        }
        let own: Uri = "http://127.0.0.1:1".parse().unwrap();
        assert!(Reach::Private.check(&own).is_ok());
        assert!(Reach::Public.check(&own).is_err());
    }
}
