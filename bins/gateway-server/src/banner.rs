//! What the server says to whoever started it on a terminal.

use std::fmt::Write as _;

use crate::server::Server;

/// Where it listens, where it stores, and what to type next.
pub fn banner(server: &Server) -> String {
    let mut text = format!("AI Gateway {}\n", env!("CARGO_PKG_VERSION"));
    let mut row = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {name:<10} {value}");
    };
    let url = |address: Option<std::net::SocketAddr>| {
        address.map_or_else(|| "off".to_owned(), |address| format!("http://{address}"))
    };
    row("Admin API", &url(server.admin_addr()));
    row("Proxy", &url(server.proxy_addr()));
    row("Data", &server.data_dir().display().to_string());
    text.push('\n');
    text.push_str(&next_step(server));
    text
}

fn next_step(server: &Server) -> String {
    let Some(admin) = server.admin_addr() else {
        return String::new();
    };
    let configuration = server.configuration();
    let Some(gateway) = configuration.gateways().next() else {
        return format!(
            "Next, make a gateway:\n  curl -X POST http://{admin}/api/v1/gateways \
             -H 'Content-Type: application/json' -d '{{\"name\": \"default\"}}'\n"
        );
    };
    let name = gateway.name();
    let base = format!("http://{admin}/api/v1/gateways/{name}");
    if configuration.upstreams(gateway.id()).is_empty() {
        return format!(
            "Next, give it an upstream (and a key: POST …/{name}/keys {{\"name\": \"my-app\"}}):\n  \
             curl -X POST {base}/upstreams -H 'Content-Type: application/json' -d '{{\n    \
             \"name\": \"my-upstream\",\n    \"targets\": [{{\"provider\": \"openai\", \
             \"default_model\": \"gpt-4o-mini\",\n      \"credentials\": {{\"header_name\": \
             \"Authorization\", \"header_value\": \"Bearer …\"}}}}]}}'\n"
        );
    }
    if configuration.keys(gateway.id()).is_empty() {
        return format!(
            "Next, make a key for an application:\n  curl -X POST {base}/keys \
             -H 'Content-Type: application/json' -d '{{\"name\": \"my-app\"}}'\n"
        );
    }
    format!("See how it is:\n  curl {base}/upstreams\n")
}
