//! Portkey's gateway on Node.js, from its npm package. It checks no key of its own: where a request
//! goes is said by the request's headers.
//!
//! Its package of version 1.15.2 answers every stream with 500 on Node.js 20: it changes the headers
//! of a fetched answer, which that runtime has frozen.

use std::fs;

use anyhow::{Context as _, bail};

use super::{Peer, Setup, find, free_address};

/// Finds the installed package.
///
/// # Errors
///
/// When the package or Node.js is not installed.
pub(super) fn prepare(setup: &Setup) -> anyhow::Result<Peer> {
    let node = find("node", "nodejs")?;
    let home = setup.installed.join("portkey");
    let package = home.join("node_modules/@portkey-ai/gateway");
    if !package.exists() {
        let path = home.display();
        bail!("{path} is missing: npm install --prefix {path} @portkey-ai/gateway");
    }
    let manifest = fs::read_to_string(package.join("package.json"))?;
    let manifest: serde_json::Value = serde_json::from_str(&manifest)?;
    let version = manifest.get("version").and_then(|value| value.as_str());
    let address = free_address()?;
    let provider = setup.provider;
    let headers = |provider_name: &str, host: String, key: (&str, &str)| {
        [
            ("x-portkey-provider", provider_name),
            ("x-portkey-custom-host", host.as_str()),
            key,
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    };
    let key = ("authorization", "Bearer sk-provider");
    Ok(Peer {
        name: "portkey".to_owned(),
        version: version.context("its manifest has no version")?.to_owned(),
        command: vec![
            "env".to_owned(),
            "NODE_ENV=production".to_owned(),
            "TRUSTED_CUSTOM_HOSTS=127.0.0.1,localhost".to_owned(),
            node.display().to_string(),
            package.join("build/start-server.js").display().to_string(),
            "--headless".to_owned(),
            format!("--port={}", address.port()),
        ],
        address,
        same: headers("openai", format!("http://{provider}/v1"), key),
        translated: Some(headers("anthropic", format!("http://{provider}/v1"), key)),
        footprint: Some(home),
        keeps_bytes: false,
        can_stream: false,
    })
}
