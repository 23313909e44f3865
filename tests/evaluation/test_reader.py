"""The published CSV files with all their traps, and messages that name file, row and column."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks.fever.data import read, read_file
from controller.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]


def test_a_published_file_is_read_as_it_is(make: Make, tmp_path: Path) -> None:
    file = make(40)
    found = read_file(file.write(tmp_path / "FLIR_x.csv"))
    assert (found.camera, len(found), found.files) == ("FLIR", 40, ("FLIR_x.csv",))
    assert found.face.shape == (40, 3)
    assert found.face[0, 0] == float(file.rows[0][file.column("T_Max1")])
    assert found.canthi[7, 2] == float(file.rows[7][file.column("canthiMax3")])
    assert found.oral[3] == float(file.rows[3][file.column("aveOralM")])
    assert dt.date.fromordinal(int(found.day[0])) == dt.date(2017, 1, 9)
    assert found.hour[1] == pytest.approx(9 + 45 / 60 + 5 / 3600)
    assert found.notes == ()


def test_round_four_with_the_mouth_open_is_nowhere(make: Make, tmp_path: Path) -> None:
    file = make(40)
    for row in file.rows:
        row[file.column("T_Max4")] = "44.00"
    assert read_file(file.write(tmp_path / "FLIR.csv")).face.max() < 40


def test_a_distance_of_79_is_in_centimetres_and_named(make: Make, tmp_path: Path) -> None:
    file = make(40)
    file.rows[5][file.column("Distance")] = "79"
    found = read_file(file.write(tmp_path / "FLIR.csv"))
    assert found.distance[5] == 0.79
    column = file.column("Distance") + 1
    assert f"row 9, column {column} (Distance): 79 is taken for centimetres" in found.notes[0]


def test_a_byte_order_mark_other_names_and_one_header_row(make: Make, tmp_path: Path) -> None:
    file = make(40)
    file.bom = False
    plain = read_file(file.write(tmp_path / "ICI.csv"))
    file.names = [name.replace("canthiMax2", "CanthiMax_2").replace("T_Max3", " T_max13") for name in file.names]
    lines = [",".join(file.names), *(",".join(row) + ",," for row in file.rows), "," * 5]
    (tmp_path / "ICI_b.csv").write_text("\n".join(lines), encoding="utf-8")
    other = read_file(tmp_path / "ICI_b.csv")
    np.testing.assert_array_equal(other.face, plain.face)
    np.testing.assert_array_equal(other.canthi, plain.canthi)


def test_the_second_header_row_may_be_in_another_encoding(make: Make, tmp_path: Path) -> None:
    path = make(40).write(tmp_path / "FLIR.csv")
    path.write_bytes(path.read_bytes().replace("T̅".encode(), b"T\xaf"))
    assert len(read_file(path)) == 40


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%m/%d/%Y", "%m/%d/%y", "%d/%m/%Y", "%d-%b-%y", "%Y%m%d"])
def test_dates_are_read_in_other_forms(make: Make, tmp_path: Path, form: str) -> None:
    file = make(40)
    expected = read_file(file.write(tmp_path / "FLIR.csv")).day
    for row in file.rows:
        at = file.column("Date")
        row[at] = dt.date.fromisoformat(f"20{row[at]}").strftime(form)
    np.testing.assert_array_equal(read_file(file.write(tmp_path / "FLIR.csv")).day, expected)


def test_without_dates_the_subjects_number_tells_the_day(make: Make, tmp_path: Path) -> None:
    file = make(40)
    expected = read_file(file.write(tmp_path / "FLIR.csv")).day
    file.names[file.column("Date")] = "Remarks"
    np.testing.assert_array_equal(read_file(file.write(tmp_path / "FLIR.csv")).day, expected)


def test_columns_that_are_missing_are_not_known_for_anybody(make: Make, tmp_path: Path) -> None:
    file = make(40)
    for name in ("canthiMax1", "T_atm", "Time", "T_Max2"):
        file.names[file.column(name)] = "gone"
    found = read_file(file.write(tmp_path / "ICI.csv"))
    assert np.isnan(found.canthi[:, 0]).all()
    assert np.isfinite(found.canthi[:, 1]).all()
    assert np.isnan(found.room).all()
    assert np.isnan(found.hour).all()
    assert np.isnan(found.face[:, 1]).all()
    assert len(found.notes) == 4


def test_a_spot_is_the_warmer_of_both_circles(make: Make, tmp_path: Path) -> None:
    file = make(40, spots=True)
    file.rows[3][file.column("aveAllL13_2")] = "39.00"
    file.rows[4][file.column("aveAllR13_1")] = ""
    file.rows[5][file.column("aveAllR13_1")] = file.rows[5][file.column("aveAllL13_1")] = "NaN"
    found = read_file(file.write(tmp_path / "FLIR.csv"))
    assert found.spots.shape == (40, 3)
    assert found.spots[0, 2] == float(file.rows[0][file.column("aveAllR13_3")])
    assert found.spots[3, 1] == 39.0
    assert found.spots[4, 0] == float(file.rows[4][file.column("aveAllL13_1")])
    assert np.isnan(found.spots[5, 0])
    assert found.notes == ()


def test_an_impossible_spot_is_named(make: Make, tmp_path: Path) -> None:
    file = make(40, spots=True)
    file.rows[4][file.column("aveAllR13_2")] = "3.58"
    found = read_file(file.write(tmp_path / "FLIR.csv"))
    assert found.spots[4, 1] == float(file.rows[4][file.column("aveAllL13_2")])
    assert "(aveAllR13_2): 3.58" in found.notes[0]


@pytest.mark.parametrize("gone", ["aveAllR13_1", "aveAllL13_1"])
def test_a_round_without_both_circles_has_no_spots(make: Make, tmp_path: Path, gone: str) -> None:
    file = make(40, spots=True)
    file.names[file.column(gone)] = "gone"
    found = read_file(file.write(tmp_path / "FLIR.csv"))
    assert np.isnan(found.spots[:, 0]).all()
    assert np.isfinite(found.spots[:, 1:]).all()
    assert found.notes == ()
    assert np.isnan(read_file(make(40).write(tmp_path / "ICI.csv")).spots).all()


def test_blank_cells_are_not_measured_and_people_without_a_reference_left_out(make: Make, tmp_path: Path) -> None:
    file = make(40)
    file.rows[0][file.column("T_Max1")] = ""
    file.rows[1][file.column("T_Max1")] = "NaN"
    file.rows[2][file.column("aveOralM")] = ""
    found = read_file(file.write(tmp_path / "FLIR.csv"))
    assert len(found) == 39
    assert np.isnan(found.face[:2, 0]).all()
    assert "1 people left out" in found.notes[-1]


def test_what_stands_below_the_table_is_nobody(make: Make, tmp_path: Path) -> None:
    file = make(40)
    file.rows.append([""] * len(file.names))
    file.rows.append(["", "", "mean of the above", *[""] * (len(file.names) - 3)])
    assert len(read_file(file.write(tmp_path / "FLIR.csv"))) == 40


def test_an_impossible_value_is_not_measured_and_named(make: Make, tmp_path: Path) -> None:
    file = make(40)
    file.rows[4][file.column("T_Max2")] = "3.58"
    found = read_file(file.write(tmp_path / "FLIR.csv"))
    assert np.isnan(found.face[4, 1])
    assert f"row 8, column {file.column('T_Max2') + 1} (T_Max2): 3.58" in found.notes[0]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("T_Max2", "35,2O".replace(",", "."), "'35.2O' is not a number"),
        ("aveOralM", "warm", "'warm' is not a number"),
        ("T_atm", "inf", "'inf' is not a temperature"),
        ("Time", "25:00:00", "'25:00:00' is not a time of day"),
        ("Date", "17-13-40", "'17-13-40' is not a date"),
        ("SubjectID", "", "a subject without a number"),
    ],
)
def test_a_bad_cell_is_named_by_file_row_and_column(
    make: Make, tmp_path: Path, name: str, text: str, message: str
) -> None:
    file = make(40)
    file.rows[11][file.column(name)] = text
    with pytest.raises(EvaluationError) as caught:
        read_file(file.write(tmp_path / "FLIR.csv"))
    assert f"{tmp_path / 'FLIR.csv'}: row 15, column {file.column(name) + 1} ({name}): {message}" in str(caught.value)


def test_a_torn_row_is_named(make: Make, tmp_path: Path) -> None:
    file = make(40)
    file.rows[20] = file.rows[20][:9]
    with pytest.raises(EvaluationError, match=r"FLIR.csv: row 24: 9 columns where the header has 35"):
        read_file(file.write(tmp_path / "FLIR.csv"))


@pytest.mark.parametrize(("name", "message"), [("aveOralM", "no column aveOralM"), ("SubjectID", "no")])
def test_a_file_without_its_main_columns_is_refused(make: Make, tmp_path: Path, name: str, message: str) -> None:
    file = make(40)
    file.names[file.column(name)] = "gone"
    with pytest.raises(EvaluationError, match=message):
        read_file(file.write(tmp_path / "FLIR.csv"))


def test_two_columns_of_one_name_are_refused(make: Make, tmp_path: Path) -> None:
    file = make(40)
    file.names[file.column("T_Max2")] = "T_Max1"
    with pytest.raises(EvaluationError, match="two columns are called T_Max1"):
        read_file(file.write(tmp_path / "FLIR.csv"))


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b"a,b\n1,2\n", b'SubjectID,"aveOralM\n'])
def test_what_is_no_such_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "FLIR.csv"
    path.write_bytes(content)
    with pytest.raises(EvaluationError, match=r"FLIR\.csv"):
        read_file(path)


def test_a_folder_has_one_recording_a_camera_and_nobody_twice(make: Make, tmp_path: Path) -> None:
    early, late = make(40), make(30, seed=2, start=dt.date(2018, 2, 5))
    early.write(tmp_path / "FLIR_group1.csv")
    late.write(tmp_path / "FLIR_group2.csv")
    both = make(40)
    both.rows += late.rows
    both.write(tmp_path / "FLIR_groups1and2.csv")
    make(20, seed=3).write(tmp_path / "ICI-all.csv")
    found = {each.camera: each for each in read(tmp_path)}
    assert {camera: len(each) for camera, each in found.items()} == {"FLIR": 70, "ICI": 20}
    assert "70 visits were in several files" in found["FLIR"].notes[-1]
    assert (np.diff(found["FLIR"].time) >= 0).all()


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no CSV file"):
        read(tmp_path)
    with pytest.raises(EvaluationError, match="no such file"):
        read(tmp_path / "nowhere")


def test_people_are_put_in_the_order_of_their_visits(make: Make, tmp_path: Path) -> None:
    file = make(40)
    file.rows.reverse()
    found = read_file(file.write(tmp_path / "FLIR.csv"))
    assert (np.diff(found.time) >= 0).all()
    assert found.oral[0] == float(file.rows[-1][file.column("aveOralM")])
