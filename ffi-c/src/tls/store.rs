//! The TLS configurations of the process, by their ids.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tightwire::{ClientOptions, ClientTls, Proxy, ServerOptions, ServerTls};

use super::{given, tw_tls_opts};
use crate::callbacks::tw_tls;
use crate::ids::{self, Kind};
use crate::status::{Failure, TW_EHANDLE, tw_status};

/// What an id stands for.
#[derive(Clone)]
pub(super) struct Config {
    /// `None` for what only a server can use.
    pub(super) client: Option<ClientTls>,
    pub(super) server: Option<ServerTls>,
}

/// All configurations of the process, and how many there were.
static CONFIGS: Mutex<(u64, BTreeMap<u64, Config>)> = Mutex::new((0, BTreeMap::new()));

fn configs() -> MutexGuard<'static, (u64, BTreeMap<u64, Config>)> {
    CONFIGS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a configuration and yields its id.
///
/// # Safety
///
/// What the options point at is valid.
pub(super) unsafe fn keep(options: &tw_tls_opts) -> Result<tw_tls, Failure> {
    // SAFETY: the caller vouches for it.
    let config = unsafe { given::read(options) }?;
    let mut configs = configs();
    let (count, table) = &mut *configs;
    *count += 1;
    let id = ids::free_standing(Kind::Tls, *count);
    table.insert(id, config);
    Ok(id)
}

pub(super) fn forget(tls: tw_tls) -> Result<(), tw_status> {
    configs().1.remove(&tls).map(drop).ok_or(TW_EHANDLE)
}

/// Has a client use a configuration.
pub(crate) fn secure_client(options: ClientOptions, tls: tw_tls) -> Result<ClientOptions, Failure> {
    Ok(options.tls(client(tls)?))
}

/// Has the way to a proxy use a configuration.
pub(crate) fn secure_proxy(proxy: Proxy, tls: tw_tls) -> Result<Proxy, Failure> {
    Ok(proxy.tls(client(tls)?))
}

/// Has a server use a configuration, which can be replaced.
pub(crate) fn secure_server(
    options: ServerOptions,
    tls: tw_tls,
) -> Result<(ServerOptions, Certificate), Failure> {
    let own = server(tls)?;
    Ok((options.tls(own.clone()), Certificate(own)))
}

/// What a server shows its clients.
#[derive(Clone)]
pub(crate) struct Certificate(ServerTls);

impl Certificate {
    pub(crate) fn replace_with(&self, tls: tw_tls) -> Result<(), Failure> {
        self.0.replace_with(&server(tls)?);
        Ok(())
    }
}

/// The configuration for a client.
fn client(tls: tw_tls) -> Result<ClientTls, Failure> {
    let config = find(tls)?;
    let cause = "tls has nothing for a client";
    config.client.ok_or_else(|| Failure::argument(cause))
}

/// The configuration for a server, which can be replaced without touching others that have it.
fn server(tls: tw_tls) -> Result<ServerTls, Failure> {
    let cause = "tls has no certificate and key (cert_file, key_file)";
    let server = find(tls)?.server.ok_or_else(|| Failure::argument(cause))?;
    Ok(server.detached())
}

fn find(tls: tw_tls) -> Result<Config, Failure> {
    let cause = "tls is no id of a TLS configuration";
    configs().1.get(&tls).cloned().ok_or_else(|| Failure::new(TW_EHANDLE, cause))
}
