//! A library that is built without TLS says so.

use tightwire::{ClientOptions, Proxy, ServerOptions};

use super::tw_tls_opts;
use crate::callbacks::tw_tls;
use crate::status::{Failure, TW_EHANDLE, TW_EUNSUPPORTED, tw_status};

fn absent() -> Failure {
    Failure::new(TW_EUNSUPPORTED, "this library is built without TLS")
}

/// # Safety
///
/// None is needed; with TLS there is.
pub(super) unsafe fn keep(_: &tw_tls_opts) -> Result<tw_tls, Failure> {
    Err(absent())
}

pub(super) fn forget(_: tw_tls) -> Result<(), tw_status> {
    Err(TW_EHANDLE)
}

pub(crate) fn secure_client(_: ClientOptions, _: tw_tls) -> Result<ClientOptions, Failure> {
    Err(absent())
}

pub(crate) fn secure_proxy(_: Proxy, _: tw_tls) -> Result<Proxy, Failure> {
    Err(absent())
}

pub(crate) fn secure_server(
    _: ServerOptions,
    _: tw_tls,
) -> Result<(ServerOptions, Certificate), Failure> {
    Err(absent())
}

/// There is none.
#[derive(Clone)]
pub(crate) enum Certificate {}

impl Certificate {
    pub(crate) fn replace_with(&self, _: tw_tls) -> Result<(), Failure> {
        match *self {}
    }
}
