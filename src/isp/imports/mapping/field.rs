//! What a customer consists of, as columns of a file.

use crate::words::say;
use serde::{Deserialize, Serialize};

/// What a column can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    FirstName,
    LastName,
    /// Split into first and last name by [`split_name`](super::split_name); stands in for both.
    FullName,
    Email,
    PhonePrimary,
    StreetAddress,
    Area,
    Status,
    Notes,
    Latitude,
    Longitude,
    /// The customer's number in the system that the file comes from; finds the same customer again.
    Reference,
    /// The NAP that the customer is connected to, by its code.
    Nap,
    NapPort,
    InstalledOn,
    /// A plan by its name.
    Plan,
    /// Until when the plan is paid.
    PaidUntil,
}

/// What fields are about, as a person is asked about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Customer,
    Installation,
    Paid,
}

impl Group {
    pub const ALL: [Self; 3] = [Self::Customer, Self::Installation, Self::Paid];

    pub fn label(self) -> &'static str {
        match self {
            Self::Customer => say("Customer"),
            Self::Installation => say("Installation"),
            Self::Paid => say("What is paid"),
        }
    }
}

impl Field {
    /// All fields, in the order in which a person is asked about them.
    pub const ALL: [Self; 17] = [
        Self::FirstName,
        Self::LastName,
        Self::FullName,
        Self::Email,
        Self::PhonePrimary,
        Self::StreetAddress,
        Self::Area,
        Self::Status,
        Self::Notes,
        Self::Latitude,
        Self::Longitude,
        Self::Reference,
        Self::Nap,
        Self::NapPort,
        Self::InstalledOn,
        Self::Plan,
        Self::PaidUntil,
    ];

    /// The stable name: in forms, in stored mappings, and as header of the import template.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::FullName => "full_name",
            Self::Email => "email",
            Self::PhonePrimary => "phone_primary",
            Self::StreetAddress => "street_address",
            Self::Area => "area",
            Self::Status => "status",
            Self::Notes => "notes",
            Self::Latitude => "latitude",
            Self::Longitude => "longitude",
            Self::Reference => "reference",
            Self::Nap => "nap",
            Self::NapPort => "nap_port",
            Self::InstalledOn => "installed_on",
            Self::Plan => "plan",
            Self::PaidUntil => "paid_until",
        }
    }

    /// The inverse of [`Field::as_str`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == name)
    }

    /// What a person reads.
    pub fn label(self) -> &'static str {
        match self {
            Self::FirstName => say("First name"),
            Self::LastName => say("Last name"),
            Self::FullName => say("Full name"),
            Self::Email => "E-mail",
            Self::PhonePrimary => say("Phone"),
            Self::StreetAddress => say("Street address"),
            Self::Area => say("Area"),
            Self::Status => say("Status"),
            Self::Notes => say("Notes"),
            Self::Latitude => say("Latitude"),
            Self::Longitude => say("Longitude"),
            Self::Reference => say("Account number"),
            Self::Nap => "NAP",
            Self::NapPort => "NAP port",
            Self::InstalledOn => say("Installed on"),
            Self::Plan => say("Plan"),
            Self::PaidUntil => say("Paid until"),
        }
    }

    /// What it is about.
    pub fn group(self) -> Group {
        match self {
            Self::Nap | Self::NapPort | Self::InstalledOn => Group::Installation,
            Self::Plan | Self::PaidUntil => Group::Paid,
            _ => Group::Customer,
        }
    }

    /// The field that it is worth nothing without.
    pub(super) fn partner(self) -> Option<Self> {
        match self {
            Self::Nap => Some(Self::NapPort),
            Self::NapPort => Some(Self::Nap),
            Self::Plan => Some(Self::PaidUntil),
            Self::PaidUntil => Some(Self::Plan),
            _ => None,
        }
    }

    /// Headers in the wild that mean this field, normalised as [`normalise`](super::normalise) does: English, Filipino, Spanish. A
    /// bare "name" is not here: what it means depends on the other columns.
    pub(super) fn synonyms(self) -> impl Iterator<Item = &'static str> {
        let listed = match self {
            Self::FirstName => {
                "first name, given name, given names, first, given, forename, fname, firstname, \
                 christian name, unang pangalan, primer nombre, nombre de pila"
            }
            Self::LastName => {
                "last name, surname, family name, last, lname, lastname, apelyido, apellido, \
                 apellidos, apelido"
            }
            Self::FullName => {
                "full name, fullname, complete name, name in full, contact person, contact name, \
                 buong pangalan, kumpletong pangalan, nombre completo, nombre y apellido, \
                 nombre y apellidos, last name first name, lastname firstname, surname given name"
            }
            Self::Email => {
                "email, e mail, email address, e mail address, mail, email add, gmail, email id, \
                 correo, correo electronico, email ng customer"
            }
            Self::PhonePrimary => {
                "phone primary, phone, phone number, phone no, mobile, mobile number, mobile no, \
                 mobile phone, cellphone, cellphone number, cellphone no, cell phone, \
                 cell phone number, cell, cell no, cell number, cp, cp no, cp number, cel, cel no, \
                 contact, contact no, contact number, contact nos, contact numbers, contact phone, \
                 tel, tel no, telephone, telephone no, telephone number, phone 1, mobile 1, \
                 contact number 1, msisdn, sms, whatsapp, viber, telepono, numero, \
                 numero ng telepono, selpon, celular, telefono, telefono movil, movil, \
                 numero de telefono, numero de celular"
            }
            Self::StreetAddress => {
                "street address, address, street, home address, complete address, full address, \
                 installation address, service address, billing address, house address, address 1, \
                 address line 1, address line, residence, house no street, house number street, \
                 tirahan, kalye, direksyon, direccion, domicilio, calle"
            }
            Self::Area => {
                "area, barangay, brgy, bgy, brgy name, barangay name, area name, barrio, baranggay, \
                 village, service area, coverage area, zone, lugar, zona, distrito, district"
            }
            Self::Status => {
                "status, account status, connection status, service status, subscription status, \
                 katayuan, kalagayan, estado, estatus"
            }
            Self::Notes => {
                "notes, note, remarks, remark, comments, comment, memo, puna, tala, paalala, nota, \
                 notas, observaciones, comentarios"
            }
            Self::Latitude => "latitude, lat, gps lat, gps latitude, geo lat, latitud",
            Self::Longitude => {
                "longitude, long, lng, lon, gps long, gps lng, gps lon, gps longitude, geo lng, \
                 geo lon, geo long, longitud"
            }
            Self::Reference => {
                "reference, account number, account no, account, acct, acct no, acct number, \
                 account id, acc no, customer number, customer no, customer id, customer code, \
                 client id, client no, client number, client code, subscriber id, subscriber no, \
                 subscriber number, ref, ref no, reference no, reference number, external ref, \
                 external reference, external id, legacy id, id, numero de cuenta, \
                 numero ng account, cuenta, codigo, numero de cliente"
            }
            _ => self.service_synonyms(),
        };
        listed.split(", ")
    }

    fn service_synonyms(self) -> &'static str {
        match self {
            Self::Nap => {
                "nap, nap code, nap box, nap name, nap no, nap id, nap location, fdb, dp box, distribution point, \
                 fiber box, fibre box, caja nap"
            }
            Self::NapPort => {
                "nap port, port, port no, port number, nap port no, nap port number, slot, slot no, puerto"
            }
            Self::InstalledOn => {
                "installed on, installation date, install date, date installed, date of installation, installed, \
                 activation date, date activated, activated on, connection date, date connected, petsa ng kabit, \
                 fecha de instalacion"
            }
            Self::Plan => {
                "plan, plan name, subscription plan, internet plan, package, package name, subscription, \
                 service plan, bundle, plano, paquete"
            }
            Self::PaidUntil => {
                "paid until, paid up to, paid till, paid to, expiry, expiry date, expiration, expiration date, expires, \
                 expires on, valid until, due date, next due, next due date, end date, subscription end, \
                 bayad hanggang, pagado hasta, vencimiento, fecha de vencimiento"
            }
            _ => "",
        }
    }
}
