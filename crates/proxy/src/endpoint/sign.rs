//! Signs requests with a key of AWS (Signature Version 4).

use std::fmt;
use std::time::SystemTime;

use ai_gateway_model::Secret;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningError, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Request};
use sha2::{Digest as _, Sha256};

/// Signs the requests to one target.
pub(super) struct Signer {
    identity: Identity,
    region: String,
    service: &'static str,
}

impl Signer {
    pub(super) fn new(
        access_key_id: &str,
        secret_access_key: &Secret,
        session_token: Option<&Secret>,
        region: &str,
        service: &'static str,
    ) -> Self {
        let credentials = Credentials::new(
            access_key_id,
            secret_access_key.expose(),
            session_token.map(|token| token.expose().to_owned()),
            None,
            "configuration",
        );
        Self {
            identity: credentials.into(),
            region: region.to_owned(),
            service,
        }
    }

    /// Signs a request whose body has the given [`digest`]. One that cannot be signed is left as
    /// it is, for the target to refuse.
    pub(super) fn sign<B>(&self, request: &mut Request<B>, digest: &str, now: SystemTime) {
        if let Err(error) = self.try_sign(request, digest, now) {
            tracing::error!(%error, "a request could not be signed");
        }
    }

    fn try_sign<B>(
        &self,
        request: &mut Request<B>,
        digest: &str,
        now: SystemTime,
    ) -> Result<(), SigningError> {
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        let params = v4::SigningParams::builder()
            .identity(&self.identity)
            .region(&self.region)
            .name(self.service)
            .time(now)
            .settings(settings)
            .build();
        let Ok(params) = params else {
            // Every part that it needs is given above.
            return Ok(());
        };
        let headers = [CONTENT_TYPE, HOST];
        let headers = headers.iter().filter_map(|name| {
            let value = request.headers().get(name)?.to_str().ok()?;
            Some((name.as_str(), value))
        });
        let signable = SignableRequest::new(
            request.method().as_str(),
            request.uri().to_string(),
            headers,
            SignableBody::Precomputed(digest.to_owned()),
        )?;
        let (instructions, _) = sign(signable, &params.into())?.into_parts();
        for header in instructions.into_parts().0 {
            if let Ok(mut value) = HeaderValue::from_str(header.value()) {
                value.set_sensitive(true);
                request.headers_mut().insert(header.name(), value);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("region", &self.region)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

/// The digest of a body in slices, as a signature has it.
pub(super) fn digest(slices: &[Bytes]) -> String {
    let mut digest = Sha256::new();
    for slice in slices {
        digest.update(slice);
    }
    hex::encode(digest.finalize())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn signer(session_token: Option<&str>) -> Signer {
        let secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let token = session_token.map(Secret::new);
        Signer::new(
            "AKIDEXAMPLE",
            &secret,
            token.as_ref(),
            "us-east-1",
            "service",
        )
    }

    /// 2015-08-30T12:36:00Z.
    fn then() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_440_938_160)
    }

    /// `get-vanilla` of the test suite that Amazon publishes.
    #[test]
    fn a_signature_is_that_of_amazon_s_test_suite() {
        let mut request = Request::get("https://example.amazonaws.com/")
            .body(())
            .unwrap();
        signer(None).sign(&mut request, &digest(&[]), then());
        assert_eq!(request.headers()["x-amz-date"], "20150830T123600Z");
        assert_eq!(
            request.headers()["authorization"],
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }

    #[test]
    fn body_path_and_token_are_signed_and_no_secret_is_printed() {
        let sign = |token: Option<&str>, path: &str, body: &'static str| {
            let mut request = Request::post(format!("https://h/{path}")).body(()).unwrap();
            let signer = signer(token);
            signer.sign(&mut request, &digest(&[Bytes::from(body)]), then());
            assert!(!format!("{signer:?}").contains("wJalr"));
            let authorization = &request.headers()["authorization"];
            assert!(authorization.is_sensitive());
            (authorization.to_str().unwrap().to_owned(), request)
        };
        let (plain, _) = sign(None, "model/a%3A0/converse", "{}");
        assert_ne!(plain, sign(None, "model/b%3A0/converse", "{}").0);
        assert_ne!(plain, sign(None, "model/a%3A0/converse", "{ }").0);
        let (lent, request) = sign(Some("token"), "model/a%3A0/converse", "{}");
        assert!(lent.contains("x-amz-security-token"), "{lent}");
        assert!(request.headers()["x-amz-security-token"].is_sensitive());
    }
}
