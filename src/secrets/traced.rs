//! A store that is asked over the network, with a span for each question. Neither a name nor a value is told.

use futures_util::future::BoxFuture;
use tracing::field::Empty;

use super::store::{SecretBytes, SecretName, SecretStore};
use crate::{error::Result, trace::span};

pub(super) struct Traced<S> {
    inner: S,
    kind: &'static str,
}

impl<S: SecretStore> Traced<S> {
    pub(super) fn new(kind: &'static str, inner: S) -> Self {
        Self { inner, kind }
    }

    fn ask<'a, T: 'a>(
        &self,
        operation: &'static str,
        answer: BoxFuture<'a, Result<T>>,
    ) -> BoxFuture<'a, Result<T>> {
        let span = span!(
            "secrets",
            otel.name = operation,
            otel.kind = "client",
            otel.status_code = Empty,
            lastmile.secrets.store = self.kind,
            error.type = Empty,
        );
        if span.is_none() {
            return answer;
        }
        Box::pin(async move {
            let answer = answer.await;
            if let Err(error) = &answer {
                span.record("error.type", error.code()).record("otel.status_code", "ERROR");
            }
            answer
        })
    }
}

impl<S: SecretStore> SecretStore for Traced<S> {
    fn get<'a>(&'a self, name: &'a SecretName) -> BoxFuture<'a, Result<Option<SecretBytes>>> {
        self.ask("secrets.get", self.inner.get(name))
    }

    fn put<'a>(&'a self, name: &'a SecretName, value: &'a SecretBytes) -> BoxFuture<'a, Result<()>> {
        self.ask("secrets.put", self.inner.put(name, value))
    }

    fn put_if_absent<'a>(
        &'a self,
        name: &'a SecretName,
        value: &'a SecretBytes,
    ) -> BoxFuture<'a, Result<SecretBytes>> {
        self.ask("secrets.put_if_absent", self.inner.put_if_absent(name, value))
    }

    fn replace<'a>(
        &'a self,
        name: &'a SecretName,
        expected: &'a SecretBytes,
        new: &'a SecretBytes,
    ) -> BoxFuture<'a, Result<bool>> {
        self.ask("secrets.replace", self.inner.replace(name, expected, new))
    }

    fn delete<'a>(&'a self, name: &'a SecretName) -> BoxFuture<'a, Result<()>> {
        self.ask("secrets.delete", self.inner.delete(name))
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}
