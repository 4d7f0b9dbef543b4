"""`accord admin NOUN VERB`: what the operator does, as whoever owns the data directory."""

import click

from server.cli.admin.agreements import agreement, terms
from server.cli.admin.associations import associations
from server.cli.admin.custody import batch, block, custody, study
from server.cli.admin.datasets import dataset, sender
from server.cli.admin.documents import document
from server.cli.admin.entities import ae
from server.cli.admin.jobs import job
from server.cli.admin.nodes import node
from server.cli.admin.parties import client, party, permit
from server.cli.admin.people import person
from server.cli.admin.publications import publication
from server.cli.admin.repositories import peer
from server.cli.admin.stops import exclusion, mail, notice, proposal
from server.cli.help import examples

NOUNS = (
    party,
    node,
    terms,
    document,
    agreement,
    dataset,
    publication,
    sender,
    client,
    person,
    ae,
    peer,
    permit,
    study,
    block,
    batch,
    custody,
    job,
    associations,
    exclusion,
    proposal,
    notice,
    mail,
)
admin = click.Group("admin", commands=NOUNS, help="What the operator does.", epilog=examples("accord admin agreement list"))
