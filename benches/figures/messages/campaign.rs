//! One message to a large group: its recipients never lie in memory.

use std::time::Instant;

use serde_json::json;

use super::{Bench, asked_for, patience, real};
use crate::{
    clock,
    process::Peak,
    table::{Line, Table},
    world::Tenant,
};

/// `FIGURES_RECIPIENTS=1000000` for the long version.
const RECIPIENTS: usize = 100_000;
const MEMORY_MIB: f64 = 200.0;
const GROUP: &str = "01b00000-0000-7000-8000-000000000000";

pub async fn measure(bench: &Bench<'_>, table: &mut Table) {
    let recipients = asked_for("FIGURES_RECIPIENTS", RECIPIENTS);
    eprintln!("{recipients} recipients of one message");
    let tenant = &bench.world.tenants[0];
    fill(bench, tenant, recipients).await;
    let server = bench.server("all").await;
    bench.connect(&server, tenant).await;
    clock::settle(bench.world).await;
    bench.gateway.forget();
    let peak = Peak::watch(server.pid);
    let (before, began) = (clock::cpu(bench.world, &server), Instant::now());
    let text = format!("Hello {{{{ name }}}}, the work in your street is done. {}", bench.gateway.mark());
    let body = json!({
        "channels": ["sms"], "to": {"groups": [GROUP]}, "content": {"text": text}, "priority": "bulk",
    });
    bench.send(&server, tenant, &body).await;
    let answered = began.elapsed();
    let done = format!("SELECT count(*) FROM {}.message WHERE status = 'ready'", tenant.schema);
    while bench.number(&done).await == 0 {
        patience(began, std::time::Duration::from_millis(200)).await;
    }
    let expanded = began.elapsed();
    bench.until_done(std::slice::from_ref(tenant), recipients).await;
    let (spent, lasted) = (clock::cpu(bench.world, &server).minus(before), began.elapsed());
    let most = peak.most().await;
    bench.assert_accepted(std::slice::from_ref(tenant), recipients).await;
    let line = Line::new(
        format!("one message to a group of {recipients}: the server's memory at most (PSS)"),
        format!("{most:.1} MiB"),
    );
    table.push(line.at_most(most, MEMORY_MIB, format!("under {MEMORY_MIB} MiB")));
    let each = |part: f64| part * 1e6 / real(recipients);
    table.push(Line::new(
        "the same: CPU of each recipient; answered, written out, all accepted after",
        format!(
            "{:.0} us ({:.0} + {:.0}); {:.2}, {:.1} and {:.1} s",
            each(spent.s()),
            each(spent.0),
            each(spent.1),
            answered.as_secs_f64(),
            expanded.as_secs_f64(),
            lasted.as_secs_f64()
        ),
    ));
    server.stop().await;
}

/// A group with so many members. They stay for the next run.
async fn fill(bench: &Bench<'_>, tenant: &Tenant, members: usize) {
    let count =
        format!("SELECT count(*) FROM {}.contact_group_member WHERE group_id = '{GROUP}'", tenant.schema);
    if usize::try_from(bench.number(&count).await).is_ok_and(|n| n == members) {
        return;
    }
    let contact = "('01b10000000070008000' || lpad(to_hex(g), 12, '0'))::uuid";
    let fill = format!(
        "DELETE FROM contact_group WHERE id = '{GROUP}';
         DELETE FROM contact WHERE id BETWEEN '01b10000-0000-7000-8000-000000000000' AND '01b10000-0000-7000-8000-ffffffffffff';
         INSERT INTO contact_group (id, name) VALUES ('{GROUP}', 'Figures');
         INSERT INTO contact (id, name) SELECT {contact}, 'Member ' || g FROM generate_series(1, {members}) g;
         INSERT INTO contact_address (id, contact_id, channel, address)
            SELECT ('01b20000000070008000' || lpad(to_hex(g), 12, '0'))::uuid, {contact}, 'sms',
                '+63917' || lpad((1000000 + g)::text, 7, '0') FROM generate_series(1, {members}) g;
         INSERT INTO contact_group_member (group_id, contact_id) SELECT '{GROUP}', {contact} FROM generate_series(1, {members}) g"
    );
    bench.run(tenant, &fill).await;
    for name in ["contact", "contact_address", "contact_group_member"] {
        let vacuum = format!("VACUUM ANALYZE {}.{name}", tenant.schema);
        bench.world.sql.batch_execute(&vacuum).await.expect("VACUUM");
    }
}
