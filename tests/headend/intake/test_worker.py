from tests.headend.premises import Headend, gateway


def test_a_batch_is_stored_logged_and_receipted(headend: Headend) -> None:
    one = gateway()
    headend.enrol(one)
    message = one.next()
    report = headend.take_in(message)
    assert report.admitted == 1
    assert headend.receipts() == {message.digest: 1}
    assert headend.transport.outstanding() == 0
