//! A tenant's schema, or the control plane, as a whole: its tables out and in, by COPY. What is written to a file is `backup/`'s.

use std::pin::Pin;

use bytes::Bytes;
use serde::Serialize;
use tokio_postgres::{CopyInSink, CopyOutStream, Row};

use super::registry::Tenant;
use crate::{
    db::{Db, OwnerTx, Room, Snapshot, TenantTx},
    error::{Error, Result},
};

/// What refinery remembers: made by migrating, not by copying.
const HISTORY: &[&str] = &["refinery_schema_history", "schema_history"];

/// A table and the columns that hold data of their own (generated ones follow from them).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub name: String,
    pub columns: Vec<String>,
    sealed: Vec<String>,
    /// The columns as SQL writes them.
    quoted: String,
    qualified: String,
}

impl Table {
    /// Columns whose values are sealed with the tenant's data key: `bytea`, and the name begins with `sealed`.
    pub fn sealed(&self) -> impl Iterator<Item = &str> {
        self.sealed.iter().map(String::as_str)
    }

    /// The column that a value is sealed for. A credential that was replaced stays sealed for the column that it came from.
    pub fn sealed_for<'a>(&self, column: &'a str) -> &'a str {
        if column == "sealed_before" { "sealed" } else { column }
    }
}

/// What a column is, for people who read what it held.
#[derive(Debug, Clone, Serialize)]
pub struct Column {
    pub name: String,
    /// As PostgreSQL calls it: `text`, `timestamp with time zone`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The table whose `id` it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refers_to: Option<String>,
}

/// An open look at everything, as it was at one instant.
pub struct Reading<'a> {
    tx: &'a OwnerTx,
    schema: &'a str,
}

/// Reads a tenant's schema as a whole, at one instant, while it is in use.
pub async fn read_schema<T>(
    db: &Db,
    tenant: &Tenant,
    snapshot: Option<&Snapshot>,
    f: impl AsyncFnOnce(&Reading<'_>) -> Result<T>,
) -> Result<T> {
    let room: &Room = tenant.as_ref();
    db.as_owner_reading(snapshot, async |tx| f(&Reading { tx, schema: room.schema().as_str() }).await).await
}

/// Reads the control plane as a whole, at one instant; others can be made to see the same one.
pub async fn read_control_plane<T>(
    db: &Db,
    f: impl AsyncFnOnce(&Reading<'_>, Snapshot) -> Result<T>,
) -> Result<T> {
    db.as_owner_reading(None, async |tx| {
        let snapshot = tx.snapshot().await?;
        f(&Reading { tx, schema: "public" }, snapshot).await
    })
    .await
}

impl Reading<'_> {
    /// The transaction, for what lies in `public`.
    pub fn tx(&self) -> &OwnerTx {
        self.tx
    }

    /// The version of the schema.
    pub async fn version(&self) -> Result<i32> {
        let history = if self.schema == "public" { "schema_history" } else { "refinery_schema_history" };
        let sql = format!("SELECT coalesce(max(version), 0)::int4 AS version FROM {}.{history}", self.schema);
        one(&self.tx.query_named(&sql, &[]).await?, "version")
    }

    pub async fn tables(&self) -> Result<Vec<Table>> {
        tables(self.tx, self.schema).await
    }

    pub async fn count(&self, table: &Table) -> Result<i64> {
        let sql = format!("SELECT count(*) AS n FROM {}", table.qualified);
        one(&self.tx.query_named(&sql, &[]).await?, "n")
    }

    /// How many values of a column there are.
    pub async fn count_of(&self, table: &Table, column: &str) -> Result<i64> {
        let sql = format!("SELECT count({}) AS n FROM {}", quoted(column), table.qualified);
        one(&self.tx.query_named(&sql, &[]).await?, "n")
    }

    pub async fn copy_out(&self, table: &Table) -> Result<CopyOutStream> {
        let sql = format!("COPY {} ({}) TO STDOUT (FORMAT binary)", table.qualified, table.quoted);
        self.tx.copy_out(&sql).await
    }

    /// The columns of a table, in order, but for those that are computed.
    pub async fn columns(&self, table: &Table) -> Result<Vec<Column>> {
        let rows = self
            .tx
            .query(
                "SELECT a.attname::text AS name, format_type(a.atttypid, NULL) AS kind,
                    (SELECT p.relname::text FROM pg_constraint k JOIN pg_class p ON p.oid = k.confrelid
                     WHERE k.conrelid = a.attrelid AND k.contype = 'f' AND k.conkey = ARRAY[a.attnum] LIMIT 1) AS refers_to
                 FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                 ORDER BY a.attnum",
                &[&self.schema, &table.name],
            )
            .await?;
        let column = |row: &Row| Column {
            name: row.get("name"),
            kind: row.get("kind"),
            refers_to: row.get("refers_to"),
        };
        Ok(rows.iter().map(column).collect())
    }

    /// These columns of every row: each message is a JSON object and a line feed. Marks that JSON never holds stand in for CSV's
    /// quotes and commas, so that PostgreSQL changes nothing in it.
    pub async fn json_out(&self, table: &Table, columns: &[Column]) -> Result<CopyOutStream> {
        let list: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
        let sql = format!(
            "COPY (SELECT row_to_json(r) FROM (SELECT {} FROM {} ORDER BY 1) r) TO STDOUT (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')",
            list.join(", "),
            table.qualified
        );
        self.tx.copy_out(&sql).await
    }

    /// Id and name of every row of a table that has both.
    pub async fn names(&self, table: &Table) -> Result<Vec<(uuid::Uuid, String)>> {
        let sql = format!("SELECT id, name FROM {} ORDER BY id", table.qualified);
        let rows = self.tx.query_named(&sql, &[]).await?;
        Ok(rows.iter().map(|row| (row.get("id"), row.get("name"))).collect())
    }

    /// The bytes of one row.
    pub async fn content(&self, table: &Table, id: uuid::Uuid) -> Result<Vec<u8>> {
        let sql = format!("SELECT content FROM {} WHERE id = $1", table.qualified);
        one(&self.tx.query_named(&sql, &[&id]).await?, "content")
    }
}

/// A schema that is being filled.
pub struct Filling<'a> {
    tx: &'a OwnerTx,
    schema: &'a str,
}

impl<'a> Filling<'a> {
    /// Inside the schema that `inside` has entered.
    pub fn of_tenant(tx: &'a OwnerTx, inside: &'a TenantTx) -> Self {
        Self { tx, schema: inside.room().schema().as_str() }
    }

    pub fn tx(&self) -> &OwnerTx {
        self.tx
    }

    /// Every table, those that are referred to before those that refer to them. A reference that is checked at the end of the
    /// transaction waits for nobody: tables may refer to each other by it.
    pub async fn tables(&self) -> Result<Vec<Table>> {
        let rows = self
            .tx
            .query(
                "SELECT DISTINCT c.relname::text AS child, p.relname::text AS parent
                 FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class p ON p.oid = k.confrelid
                 JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE k.contype = 'f' AND NOT k.condeferred AND n.nspname = $1 AND c.oid <> p.oid",
                &[&self.schema],
            )
            .await?;
        let edges: Vec<(String, String)> =
            rows.iter().map(|row| (row.get("child"), row.get("parent"))).collect();
        in_order(tables(self.tx, self.schema).await?, &edges)
    }

    /// Takes away what migrating wrote into these tables.
    pub async fn empty(&self, tables: &[Table]) -> Result<()> {
        if tables.is_empty() {
            return Ok(());
        }
        let list: Vec<&str> = tables.iter().map(|table| table.qualified.as_str()).collect();
        self.tx.run(&format!("TRUNCATE {}", list.join(", "))).await
    }

    pub async fn copy_in(&self, table: &Table) -> Result<Pin<Box<CopyInSink<Bytes>>>> {
        let sql = format!("COPY {} ({}) FROM STDIN (FORMAT binary)", table.qualified, table.quoted);
        Ok(Box::pin(self.tx.copy_in(&sql).await?))
    }

    /// The values of a sealed column, with the ids of their rows.
    pub async fn sealed_values(&self, table: &Table, column: &str) -> Result<Vec<(uuid::Uuid, Vec<u8>)>> {
        let column = quoted(column);
        let sql = format!("SELECT id, {column} AS value FROM {} WHERE {column} IS NOT NULL", table.qualified);
        let rows = self.tx.query_named(&sql, &[]).await?;
        Ok(rows.iter().map(|row| (row.get("id"), row.get("value"))).collect())
    }

    pub async fn set_sealed(&self, table: &Table, column: &str, row: uuid::Uuid, value: &[u8]) -> Result<()> {
        let sql = format!("UPDATE {} SET {} = $2 WHERE id = $1 RETURNING 1", table.qualified, quoted(column));
        self.tx.query_named(&sql, &[&row, &value]).await?;
        Ok(())
    }
}

/// Fills tables of the control plane, all of them or none.
pub async fn fill_control_plane<T>(db: &Db, f: impl AsyncFnOnce(&Filling<'_>) -> Result<T>) -> Result<T> {
    db.as_owner(async |tx| f(&Filling { tx, schema: "public" }).await).await
}

async fn tables(tx: &OwnerTx, schema: &str) -> Result<Vec<Table>> {
    let rows = tx
        .query(
            "SELECT c.relname::text AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns,
                    coalesce(array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attname LIKE 'sealed%'
                        AND a.atttypid = 'bytea'::regtype), '{}') AS sealed,
                    string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) AS quoted,
                    format('%I.%I', n.nspname, c.relname) AS qualified
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
             WHERE n.nspname = $1 AND c.relkind = 'r'
             GROUP BY n.nspname, c.relname ORDER BY c.relname",
            &[&schema],
        )
        .await?;
    let all = rows.iter().map(|row| Table {
        name: row.get("name"),
        columns: row.get("columns"),
        sealed: row.get("sealed"),
        quoted: row.get("quoted"),
        qualified: row.get("qualified"),
    });
    Ok(all.filter(|table| !HISTORY.contains(&table.name.as_str())).collect())
}

fn in_order(mut left: Vec<Table>, edges: &[(String, String)]) -> Result<Vec<Table>> {
    let mut ordered: Vec<Table> = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let waits = |table: &Table| {
            edges
                .iter()
                .any(|(child, parent)| *child == table.name && left.iter().any(|other| other.name == *parent))
        };
        let (waiting, ready): (Vec<Table>, Vec<Table>) = left.iter().cloned().partition(waits);
        if ready.is_empty() {
            let names: Vec<&str> = waiting.iter().map(|table| table.name.as_str()).collect();
            return Err(Error::internal(format!(
                "tables refer to each other in a circle: {}",
                names.join(", ")
            )));
        }
        ordered.extend(ready);
        left = waiting;
    }
    Ok(ordered)
}

fn quoted(column: &str) -> String {
    format!("\"{}\"", column.replace('"', "\"\""))
}

fn one<T: for<'a> tokio_postgres::types::FromSql<'a>>(rows: &[Row], column: &str) -> Result<T> {
    rows.first().map(|row| row.get(column)).ok_or_else(|| Error::internal("a count without a row"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str) -> Table {
        Table {
            name: name.into(),
            columns: vec![],
            sealed: vec![],
            quoted: String::new(),
            qualified: String::new(),
        }
    }

    #[test]
    fn what_is_referred_to_comes_first_and_circles_are_told() {
        let edge = |child: &str, parent: &str| (child.to_owned(), parent.to_owned());
        let all = vec![table("a"), table("b"), table("c")];
        let ordered =
            in_order(all.clone(), &[edge("a", "b"), edge("b", "c"), edge("a", "elsewhere")]).unwrap();
        let names: Vec<&str> = ordered.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["c", "b", "a"]);
        let circle = in_order(all, &[edge("a", "b"), edge("b", "a")]).unwrap_err().to_string();
        assert!(circle.contains("a, b"), "{circle}");
    }
}
