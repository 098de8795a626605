// SPDX-License-Identifier: MPL-2.0
//! A node in this process, put together as `a2ald` does it, whose MCP endpoint serves fixtures beside its tools.
//!
//! The fixtures are in the tests, and [`Endpoint::new`] takes any handler: a feature of the MCP crate would be one more
//! build of everything, and Cargo would switch it on in the programs that the other tests drive.

use std::ffi::OsString;
use std::sync::Arc;

use a2al_mcp::{Endpoint, Mcp};
use a2al_node::config::{self, Environment, Flags, Store};
use a2al_node::gateway::Gateway;
use a2al_node::guard::Guarded;
use a2al_node::logging::Log;
use a2al_node::rest::{self, App};
use a2al_node::server;
use a2al_service::Service;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::subscriber::NoSubscriber;

use super::fixtures::Fixtures;
use crate::harness::Setup;

/// The running node.
pub(super) struct Stack {
    /// Where its MCP endpoint is.
    pub(super) url: String,
    service: Service,
    stop: CancellationToken,
    _setup: Setup,
}

/// No variables: those of this machine are not the tests' own.
struct Bare;

impl Environment for Bare {
    fn get(&self, _: &str) -> Option<OsString> {
        None
    }
}

impl Stack {
    pub(super) async fn start() -> Self {
        let setup = Setup::new().with_config("listen_addr = \"127.0.0.1:0\"\n");
        let flags = Flags::default();
        let loaded = config::load(&setup.data_dir(), &flags, &Bare);
        let loaded = loaded.expect("a configuration");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let mut node = a2al_service::Config::new(setup.data_dir());
        node.network.listen = loaded.config.listen.clone();
        node.api_addr = Some(addr);
        let service = Service::start(node).await.expect("a node");
        let mcp = Mcp::new(service.clone(), loaded.config.mcp_toolsets).expect("random numbers");
        // What a daemon logs would stand between the lines of the tests.
        let _ = tracing::subscriber::set_global_default(NoSubscriber::new());
        let log = Log::start(&loaded.config.log);
        let config = Arc::new(Store::new(loaded, log));
        let access = config.access();
        let stop = CancellationToken::new();
        let fixtures = {
            let mcp = mcp.clone();
            move || Fixtures::beside(mcp.handler(), mcp.clone())
        };
        let router = rest::router(App {
            service: service.clone(),
            config,
            gateway: Gateway::new(service.clone(), addr.port()),
            mcp_endpoint: Endpoint::new(fixtures, addr, stop.clone()),
            mcp,
            ending: stop.clone(),
        });
        let guarded = Guarded::new(router, access, addr.port());
        tokio::spawn(server::serve(listener, guarded, stop.clone()));
        Self {
            url: format!("http://{addr}/mcp"),
            service,
            stop,
            _setup: setup,
        }
    }

    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.service.shutdown().await;
    }
}
