def test_it(site):
    print((site.home/"report.txt").read_text())
    assert site.accord.get("/dicom-web/studies","researcher").json()
