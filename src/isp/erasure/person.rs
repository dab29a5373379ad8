//! Who the person is: read and held, so that nothing new comes to them meanwhile; and what keeps them from being erased.

use uuid::Uuid;

use super::model::{Name, Person, Subject};
use crate::{
    db::TenantTx,
    error::{Error, Result},
    messaging::Channel,
    types::{ContactId, CustomerId, DeliveryId, MessageId},
    words::say,
};

/// The person, with every row that is theirs. 422 for who is not here, 409 for who is somebody else's to erase.
pub async fn load(tx: &TenantTx, subject: Subject) -> Result<Person> {
    let mut person = Person::default();
    match subject {
        Subject::Customer(id) => load_customer(tx, id, &mut person).await?,
        Subject::Contact(id) => person.contacts.push(id.0),
    }
    let shared = shared_with_others(tx, &person).await?;
    person = person.without_shared(&shared);
    if subject.kind() == super::model::Kind::Customer {
        person.contacts = contacts_with(tx, &person.lowered()).await?;
    }
    load_contacts(tx, &mut person).await?;
    match subject {
        Subject::Contact(_) => must_be_no_customer(tx, &person).await?,
        Subject::Customer(_) => {
            let shared = shared_with_others(tx, &person).await?;
            person = person.without_shared(&shared);
        }
    }
    person.addresses.sort();
    person.addresses.dedup();
    Ok(person)
}

async fn load_customer(tx: &TenantTx, id: CustomerId, person: &mut Person) -> Result<()> {
    let rows = tx
        .query(
            "SELECT id, first_name, last_name, email, phone_primary, merged_into FROM customer \
             WHERE id = $1 OR merged_into = $1 ORDER BY id FOR UPDATE",
            &[&id],
        )
        .await?;
    let own = rows.iter().find(|row| row.get::<_, Uuid>("id") == id.0);
    let unknown = || Error::invalid("customer_id", "unknown", "There is no such customer.");
    let own = own.ok_or_else(unknown)?;
    if own.get::<_, Option<Uuid>>("merged_into").is_some() {
        let detail = "This customer was merged into another one. Erase that one: this one goes with it.";
        return Err(Error::conflict("merged", detail));
    }
    for row in &rows {
        person.customers.push(row.get("id"));
        person.names.push(Name { first: row.get("first_name"), last: row.get("last_name") });
        if let Some(phone) = row.get::<_, Option<String>>("phone_primary") {
            person.addresses.push((Channel::Sms, phone.clone()));
            person.addresses.push((Channel::Whatsapp, phone));
        }
        if let Some(email) = row.get::<_, Option<String>>("email") {
            person.addresses.push((Channel::Email, email));
        }
    }
    let logins = tx
        .query(
            "SELECT sign_in_name, proved_email FROM subscriber_login WHERE customer_id = ANY($1)",
            &[&person.customers],
        )
        .await?;
    for row in &logins {
        person.sign_ins.push(row.get(0));
        person.sign_ins.extend(row.get::<_, Option<String>>(1));
    }
    Ok(())
}

/// What of this person another customer has, too, who is not erased: in lower case.
async fn shared_with_others(tx: &TenantTx, person: &Person) -> Result<Vec<String>> {
    if person.customers.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<String> =
        person.names.iter().map(|name| format!("{} {}", name.first, name.last).to_lowercase()).collect();
    let rows = tx
        .query(
            "SELECT DISTINCT v.said FROM customer c CROSS JOIN LATERAL (VALUES (lower(c.first_name || ' ' || c.last_name)), \
             (lower(c.email)), (c.phone_primary)) v (said) \
             WHERE c.id <> ALL($1) AND c.deleted_at IS NULL AND (v.said = ANY($2) OR v.said = ANY($3))",
            &[&person.customers, &names, &person.lowered()],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn contacts_with(tx: &TenantTx, addresses: &[String]) -> Result<Vec<Uuid>> {
    let rows = tx
        .query(
            "SELECT DISTINCT contact_id FROM contact_address WHERE lower(address) = ANY($1) ORDER BY contact_id",
            &[&addresses],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn load_contacts(tx: &TenantTx, person: &mut Person) -> Result<()> {
    let rows = tx
        .query("SELECT id, name FROM contact WHERE id = ANY($1) ORDER BY id FOR UPDATE", &[&person.contacts])
        .await?;
    if rows.len() < person.contacts.len() {
        return Err(Error::invalid("contact_id", "unknown", "There is no such contact."));
    }
    for row in &rows {
        person.names.push(Name { first: row.get("name"), last: String::new() });
    }
    let rows = tx
        .query(
            "SELECT channel, address FROM contact_address WHERE contact_id = ANY($1) ORDER BY id",
            &[&person.contacts],
        )
        .await?;
    for row in &rows {
        let channel: &str = row.get(0);
        let channel = channel.parse().map_err(|_odd| Error::internal("an address of no channel"))?;
        person.addresses.push((channel, row.get(1)));
    }
    Ok(())
}

/// A contact who is also a customer is erased as the customer, with all that belongs to one.
async fn must_be_no_customer(tx: &TenantTx, person: &Person) -> Result<()> {
    let row = tx
        .query_opt(
            "SELECT first_name || ' ' || last_name FROM customer WHERE deleted_at IS NULL \
             AND (lower(email) = ANY($1) OR phone_primary = ANY($1)) ORDER BY id LIMIT 1",
            &[&person.lowered()],
        )
        .await?;
    match row {
        None => Ok(()),
        Some(row) => {
            let name: String = row.get(0);
            let detail =
                say!("An address of this contact is {}'s, who is a customer. Erase the customer.", name);
            Err(Error::conflict("is_customer", detail))
        }
    }
}

/// What still goes on: its code, whether it does, and what has to be done first.
const BUSY: [(&str, &str); 7] = [
    ("subscription_running", "A period of service still runs: cancel it, or wait for its end."),
    ("has_installation", "An installation is not terminated."),
    ("balance_open", "The account is not even: something is owed, or there is credit to pay back."),
    ("ticket_open", "A ticket is open."),
    ("visit_planned", "A visit is planned."),
    ("outage_open", "An outage that hits this person is not over, or what they get for one is not decided."),
    ("import_under_way", "An import is under way, and nobody knows yet whom it brings."),
];

/// 409 with the first thing that still goes on; its detail names all of them.
pub async fn must_be_at_rest(tx: &TenantTx, person: &Person) -> Result<()> {
    let row = tx
        .query_one(
            "SELECT ARRAY[
                EXISTS (SELECT FROM subscription WHERE customer_id = ANY($1)
                    AND (status = 'paused' OR status = 'active' AND ends_at > now())),
                EXISTS (SELECT FROM installation WHERE customer_id = ANY($1) AND status <> 'terminated'),
                EXISTS (SELECT FROM customer_account WHERE customer_id = ANY($1) AND balance <> 0),
                EXISTS (SELECT FROM ticket WHERE customer_id = ANY($1) AND status NOT IN ('resolved', 'cancelled')),
                EXISTS (SELECT FROM visit WHERE customer_id = ANY($1) AND status = 'planned'),
                EXISTS (SELECT FROM outage_subscriber s JOIN outage o ON o.id = s.outage_id WHERE s.customer_id = ANY($1)
                    AND (o.status IN ('proposed', 'down') OR s.extension = 'proposed')),
                EXISTS (SELECT FROM customer_import WHERE status IN ('queued', 'running'))
                    OR EXISTS (SELECT FROM contact_import WHERE status = 'running')]",
            &[&person.customers],
        )
        .await?;
    let is: Vec<bool> = row.get(0);
    let mut busy = BUSY.iter().zip(is).filter(|(_, is)| *is).map(|(one, _)| one).peekable();
    let Some((code, _)) = busy.peek().copied() else { return Ok(()) };
    let details: Vec<&str> = busy.map(|(_, detail)| *detail).collect();
    Err(Error::conflict(code, details.join(" ")))
}

/// Messages to them that wait to be sent.
pub async fn queued(tx: &TenantTx, person: &Person) -> Result<Vec<(MessageId, DeliveryId)>> {
    let rows = tx
        .query(
            "SELECT d.message_id, d.id FROM delivery_queue q JOIN delivery d ON d.id = q.delivery_id \
             WHERE d.customer_id = ANY($1) OR d.contact_id = ANY($2) OR lower(d.address) = ANY($3) ORDER BY d.message_id, d.id",
            &[&person.customers, &person.contacts, &person.lowered()],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Rows of theirs that the trail tells of: besides themselves their installations, tickets, visits.
pub async fn objects(tx: &TenantTx, people: &[Uuid]) -> Result<Vec<Uuid>> {
    let rows = tx
        .query(
            "SELECT id FROM installation WHERE customer_id = ANY($1) UNION ALL SELECT id FROM ticket WHERE customer_id = ANY($1) \
             UNION ALL SELECT id FROM visit WHERE customer_id = ANY($1)",
            &[&people],
        )
        .await?;
    Ok(people.iter().copied().chain(rows.iter().map(|row| row.get(0))).collect())
}

/// Whether this contact is here, and what it is called; for the page that asks once more.
pub async fn contact_name(tx: &TenantTx, id: ContactId) -> Result<String> {
    let row = tx.query_opt("SELECT name FROM contact WHERE id = $1", &[&id]).await?;
    row.map(|row| row.get(0)).ok_or(Error::not_found("contact"))
}
