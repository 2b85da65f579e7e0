//! What a fuzzer feeds: any bytes as a document. Panics when a law is broken.

use ai_gateway_model::Kind;
use serde_json::Value;

use crate::kit::Bench;

/// A document is read, or every fault of it has words. The first byte chooses its kind.
pub(crate) fn document(data: &[u8]) {
    let Some((kind, written)) = data.split_first() else {
        return;
    };
    let kinds = [
        Kind::Upstream,
        Kind::Upstream,
        Kind::Gateway,
        Kind::Service,
        Kind::Rule,
        Kind::Key,
    ];
    let kind = kinds[usize::from(*kind) % kinds.len()];
    let Ok(written) = serde_json::from_slice::<Value>(written) else {
        return;
    };
    if let Err(faults) = Bench::new().draft(kind, &written, None) {
        let lines = crate::kit::lines(&faults);
        assert!(!lines.is_empty() && lines.iter().all(|line| !line.is_empty()));
    }
}
