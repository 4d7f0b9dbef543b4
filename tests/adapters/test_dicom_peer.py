"""Associations that we ask for: while their messages are ours, what is answered is taken as it comes, and not looked for."""

import socket
import threading
import time
from types import SimpleNamespace

import pytest

from adapters import dicom_peer


class Peer(dicom_peer._QuickSocket):
    def __init__(self, connection: socket.socket) -> None:  # an association makes the usual ones
        self.socket, self._is_connected = connection, True


@pytest.fixture
def association():
    ours, its = socket.socketpair()
    checkpoint = threading.Event()
    made = SimpleNamespace(dul=SimpleNamespace(socket=Peer(ours)), _reactor_checkpoint=checkpoint, _is_paused=True, its=its)
    made.release = lambda: None
    yield made
    ours.close()
    its.close()


def test_an_answer_is_waited_for_while_the_messages_are_ours(association):
    dicom_peer.take_over(association)
    association.dul.socket.patience = 30  # not the few milliseconds after which it looks whether all is over
    threading.Timer(0.05, association.its.send, (b"answer",)).start()
    assert association.dul.socket.ready


def test_who_ends_it_waits_for_nobody(association):
    dicom_peer.take_over(association)
    assert association.dul.socket.patience > 0
    dicom_peer.release(association)
    began = time.monotonic()
    assert not association.dul.socket.ready
    assert association.dul.socket.patience == 0
    assert time.monotonic() - began < 1
