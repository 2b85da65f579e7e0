//! LiteLLM's proxy with one worker, from its Python package.

use std::{fs, net::SocketAddr};

use anyhow::bail;

use super::{Peer, SAME_MODEL, Setup, TRANSLATED_MODEL, bearer, free_address, own_directory};

/// Writes its configuration: one OpenAI and one Anthropic deployment, a key to check, no
/// telemetry, no callbacks.
///
/// # Errors
///
/// When the package is not installed.
pub(super) fn prepare(setup: &Setup) -> anyhow::Result<Peer> {
    let environment = setup.installed.join("litellm");
    let program = environment.join("bin/litellm");
    if !program.exists() {
        let path = environment.display();
        bail!(
            "{path} is missing: python3 -m venv {path} && {path}/bin/pip install 'litellm[proxy]'"
        );
    }
    let directory = own_directory(setup, "litellm")?;
    let address = free_address()?;
    let file = directory.join("config.yaml");
    fs::write(&file, configuration(setup.provider))?;
    let mut command: Vec<String> = [
        "env",
        "LITELLM_LOCAL_MODEL_COST_MAP=True",
        "LITELLM_LOG=ERROR",
    ]
    .map(str::to_owned)
    .to_vec();
    command.push(program.display().to_string());
    let (file, port) = (file.display().to_string(), address.port().to_string());
    command.extend(
        [
            "--config",
            &file,
            "--host",
            "127.0.0.1",
            "--port",
            &port,
            "--num_workers",
            "1",
        ]
        .map(str::to_owned),
    );
    Ok(Peer {
        name: "litellm".to_owned(),
        version: installed_version(&environment.join("lib")).unwrap_or_default(),
        command,
        address,
        same: bearer(KEY),
        translated: Some(bearer(KEY)),
        footprint: Some(environment),
        keeps_bytes: false,
        can_stream: true,
    })
}

fn configuration(provider: SocketAddr) -> String {
    format!(
        "model_list:
  - model_name: {SAME_MODEL}
    litellm_params:
      model: openai/{SAME_MODEL}
      api_base: http://{provider}/v1
      api_key: sk-provider
  - model_name: {TRANSLATED_MODEL}
    litellm_params:
      model: anthropic/{TRANSLATED_MODEL}
      api_base: http://{provider}
      api_key: sk-provider
litellm_settings:
  telemetry: false
  set_verbose: false
  num_retries: 0
general_settings:
  master_key: {KEY}
"
    )
}

/// The version in the name of the folder that pip leaves.
fn installed_version(lib: &std::path::Path) -> Option<String> {
    let python = fs::read_dir(lib).ok()?.next()?.ok()?.path();
    let mut packages = fs::read_dir(python.join("site-packages")).ok()?;
    packages.find_map(|package| {
        let name = package.ok()?.file_name().into_string().ok()?;
        Some(
            name.strip_prefix("litellm-")?
                .strip_suffix(".dist-info")?
                .to_owned(),
        )
    })
}

const KEY: &str = "sk-client-0123456789";
