//! How many processes take requests: each says every second that it is there, and counts the others. Limits are shared out between
//! them, so that what a caller may do does not grow with the number of processes.

use uuid::Uuid;

use crate::{db::Db, error::Result};

/// This process among those that take requests.
pub struct Process {
    id: Uuid,
}

impl Process {
    pub fn new() -> Self {
        Self { id: Uuid::now_v7() }
    }

    /// Says that this process is there; how many there are, with it. One that said nothing for five seconds is gone.
    pub async fn beat(&self, db: &Db) -> Result<u32> {
        let row = db
            .in_public(async |tx| {
                tx.query_one(
                    "WITH here AS (INSERT INTO public.web_process (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET seen_at = now()),
                        gone AS (DELETE FROM public.web_process WHERE seen_at < now() - interval '1 minute')
                     SELECT count(*) AS others FROM public.web_process WHERE id <> $1 AND seen_at > now() - interval '5 seconds'",
                    &[&self.id],
                )
                .await
            })
            .await?;
        Ok(u32::try_from(row.get::<_, i64>("others")).unwrap_or_default() + 1)
    }

    /// Says that it is going.
    pub async fn leave(&self, db: &Db) -> Result<()> {
        db.in_public(async |tx| tx.execute("DELETE FROM public.web_process WHERE id = $1", &[&self.id]).await)
            .await
            .map(drop)
    }
}
