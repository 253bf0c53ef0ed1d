/* The loops over the records of a v2 batch that Python is too slow for, `walk` and `decode`; and `read_cached`, for which
 * storage/files.py has a pure twin.
 *
 * Their pure twins are walk.walk_pure and record.decode_records_pure, equal on every input; this file holds no rule that
 * those do not have. Every read is bounded by the end of the record or of the payload, a varint by 5 or 10 bytes, and
 * nothing is kept after a call: the buffer is released before returning. The GIL is held throughout, a payload takes
 * microseconds. Built by tools/build_native.py against the limited API of Python 3.11; optional.
 */
#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>
#include <errno.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
    SOUND = 0,
    BAD_LENGTH = 1,
    BAD_FIELD = 2,
    BAD_OFFSET_DELTA = 3,
    BAD_TIMESTAMP = 4,
    BAD_HEADERS = 5,
    BYTES_REMAIN = 6,
    RECORD_BYTES_REMAIN = 7,
};

enum { NO_KEY = 1, TIMESTAMP_OUT_OF_RANGE = 2 };

typedef struct {
    const uint8_t *at;
    const uint8_t *end;
} Cursor;

/* Read a zigzag varint of at most `bits` bits; 0 if there is none before the end. */
static inline int read_varint(Cursor *cursor, int bits, int64_t *value)
{
    uint64_t result = 0;
    const uint8_t *at = cursor->at;
    for (int shift = 0; shift < bits; shift += 7) {
        if (at >= cursor->end)
            return 0;
        uint8_t byte = *at++;
        uint64_t part = byte & 0x7f;
        if (shift + 7 > bits && part >> (bits - shift))
            return 0;
        result |= part << shift;
        if (byte < 0x80) {
            *value = (int64_t)((result >> 1) ^ (~(result & 1) + 1));
            cursor->at = at;
            return 1;
        }
    }
    return 0;
}

/* Read a length and step over as many bytes; -1 is null. 0 if it does not fit. */
static inline int read_nullable(Cursor *cursor, const uint8_t **start, int64_t *length)
{
    if (!read_varint(cursor, 32, length) || *length < -1 || *length > cursor->end - cursor->at)
        return 0;
    *start = cursor->at;
    if (*length > 0)
        cursor->at += *length;
    return 1;
}

/* The start of a record: its length. The cursor moves behind the record, `record` spans its body. */
static inline int open_record(Cursor *payload, Cursor *record)
{
    int64_t length;
    if (!read_varint(payload, 32, &length) || length < 0 || length > payload->end - payload->at)
        return 0;
    record->at = payload->at;
    record->end = payload->at + length;
    payload->at = record->end;
    return 1;
}

static int walk_headers(Cursor *record)
{
    int64_t count, length;
    const uint8_t *start;
    if (!read_varint(record, 32, &count))
        return BAD_FIELD;
    if (count < 0 || count > record->end - record->at)
        return BAD_HEADERS;
    for (int64_t i = 0; i < count; i++) {
        if (!read_nullable(record, &start, &length) || length < 0 || !read_nullable(record, &start, &length))
            return BAD_FIELD;
    }
    return record->at == record->end ? SOUND : RECORD_BYTES_REMAIN;
}

static int walk_record(Cursor *record, int64_t index, int64_t base_timestamp, int64_t *timestamp, int64_t *key_length)
{
    int64_t delta, offset_delta, value_length;
    const uint8_t *start;
    if (record->at >= record->end)
        return BAD_FIELD;
    record->at++;
    if (!read_varint(record, 64, &delta))
        return BAD_FIELD;
    if (__builtin_add_overflow(base_timestamp, delta, timestamp))
        return BAD_TIMESTAMP;
    if (!read_varint(record, 32, &offset_delta))
        return BAD_FIELD;
    if (offset_delta != index)
        return BAD_OFFSET_DELTA;
    if (!read_nullable(record, &start, key_length) || !read_nullable(record, &start, &value_length))
        return BAD_FIELD;
    return walk_headers(record);
}

static int add_fault(PyObject **found, long long index, int kind, long long timestamp)
{
    if (*found == NULL && (*found = PyList_New(0)) == NULL)
        return 0;
    PyObject *item = Py_BuildValue("(LiL)", index, kind, timestamp);
    if (item == NULL)
        return 0;
    int failed = PyList_Append(*found, item);
    Py_DECREF(item);
    return !failed;
}

PyDoc_STRVAR(walk_doc,
             "walk(payload, count, base_timestamp, timestamp_min, timestamp_max, require_key, faults_max)\n"
             "-> (fault, index, largest timestamp, broken rules or None); see walk.py");

static PyObject *walk(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer view;
    long long count, base_timestamp, timestamp_min, timestamp_max, faults_max;
    int require_key;
    if (!PyArg_ParseTuple(args, "y*LLLLpL", &view, &count, &base_timestamp, &timestamp_min, &timestamp_max,
                          &require_key, &faults_max))
        return NULL;

    Cursor payload = {view.buf, (const uint8_t *)view.buf + view.len};
    PyObject *found = NULL;
    long long found_count = 0, index;
    int64_t largest = -1;
    int fault = SOUND, failed = 0;
    for (index = 0; index < count; index++) {
        Cursor record;
        int64_t timestamp, key_length;
        fault = open_record(&payload, &record) ? walk_record(&record, index, base_timestamp, &timestamp, &key_length)
                                               : BAD_LENGTH;
        if (fault)
            break;
        if (timestamp > largest)
            largest = timestamp;
        if (found_count < faults_max) {
            int kind = 0;
            if (require_key && key_length < 0)
                kind = NO_KEY;
            else if (timestamp != -1 && (timestamp < timestamp_min || timestamp > timestamp_max))
                kind = TIMESTAMP_OUT_OF_RANGE;
            if (kind) {
                if (!add_fault(&found, index, kind, timestamp)) {
                    failed = 1;
                    break;
                }
                found_count++;
            }
        }
    }
    if (!fault && !failed && payload.at != payload.end) {
        fault = BYTES_REMAIN;
        index = count > 0 ? count : 0;
    }
    PyBuffer_Release(&view);

    PyObject *result = NULL;
    if (!failed) {
        if (fault)
            result = Py_BuildValue("(iLiO)", fault, index, -1, Py_None);
        else
            result = Py_BuildValue("(iiLO)", SOUND, 0, (long long)largest, found == NULL ? Py_None : found);
    }
    Py_XDECREF(found);
    return result;
}

static PyObject *nullable_bytes(const uint8_t *start, int64_t length)
{
    if (length < 0)
        return Py_NewRef(Py_None);
    return PyBytes_FromStringAndSize((const char *)start, (Py_ssize_t)length);
}

/* A list of headers, or NULL with `*malformed` set or an exception. */
static PyObject *decode_headers(Cursor *record, int *malformed)
{
    int64_t count, key_length, value_length;
    const uint8_t *key, *value;
    *malformed = 1;
    if (!read_varint(record, 32, &count) || count < 0 || count > record->end - record->at)
        return NULL;
    PyObject *headers = PyList_New(0);
    if (headers == NULL) {
        *malformed = 0;
        return NULL;
    }
    for (int64_t i = 0; i < count; i++) {
        if (!read_nullable(record, &key, &key_length) || key_length < 0 ||
            !read_nullable(record, &value, &value_length)) {
            Py_DECREF(headers);
            return NULL;
        }
        PyObject *name = PyUnicode_DecodeUTF8((const char *)key, (Py_ssize_t)key_length, "surrogateescape");
        PyObject *content = name == NULL ? NULL : nullable_bytes(value, value_length);
        PyObject *header = content == NULL ? NULL : PyTuple_Pack(2, name, content);
        int failed = header == NULL || PyList_Append(headers, header);
        Py_XDECREF(name);
        Py_XDECREF(content);
        Py_XDECREF(header);
        if (failed) {
            Py_DECREF(headers);
            *malformed = 0;
            return NULL;
        }
    }
    *malformed = record->at != record->end;
    if (*malformed) {
        Py_DECREF(headers);
        return NULL;
    }
    return headers;
}

/* (offset delta, timestamp delta, key, value, headers), or NULL with `*malformed` set or an exception. */
static PyObject *decode_record(Cursor *record, int *malformed)
{
    int64_t delta, offset_delta, key_length, value_length;
    const uint8_t *key, *value;
    *malformed = 1;
    if (record->at >= record->end)
        return NULL;
    record->at++;
    if (!read_varint(record, 64, &delta) || !read_varint(record, 32, &offset_delta) ||
        !read_nullable(record, &key, &key_length) || !read_nullable(record, &value, &value_length))
        return NULL;
    PyObject *headers = decode_headers(record, malformed);
    if (headers == NULL)
        return NULL;
    PyObject *key_bytes = nullable_bytes(key, key_length);
    PyObject *value_bytes = key_bytes == NULL ? NULL : nullable_bytes(value, value_length);
    PyObject *result = value_bytes == NULL ? NULL
                                           : Py_BuildValue("(LLOOO)", (long long)offset_delta, (long long)delta,
                                                           key_bytes, value_bytes, headers);
    Py_DECREF(headers);
    Py_XDECREF(key_bytes);
    Py_XDECREF(value_bytes);
    return result;
}

PyDoc_STRVAR(decode_doc, "decode(payload, count) -> list of raw records, or None if they are malformed; see record.py");

static PyObject *decode(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer view;
    long long count;
    if (!PyArg_ParseTuple(args, "y*L", &view, &count))
        return NULL;
    Cursor payload = {view.buf, (const uint8_t *)view.buf + view.len};
    int malformed = 0;
    PyObject *records = PyList_New(0);
    for (long long index = 0; records != NULL && index < count; index++) {
        Cursor cursor;
        PyObject *record = NULL;
        malformed = !open_record(&payload, &cursor);
        if (!malformed)
            record = decode_record(&cursor, &malformed);
        if (record == NULL || PyList_Append(records, record))
            Py_CLEAR(records);
        Py_XDECREF(record);
    }
    if (records != NULL && payload.at != payload.end) {
        malformed = 1;
        Py_CLEAR(records);
    }
    PyBuffer_Release(&view);
    if (records == NULL && malformed)
        return Py_NewRef(Py_None);
    return records;
}

#ifdef RWF_NOWAIT
PyDoc_STRVAR(read_cached_doc, "read_cached(fd, size, offset) -> what the page cache has of it, without waiting for the disk");

/* preadv(RWF_NOWAIT) into bytes that nobody had to clear first: what os.preadv is given has to exist, and so be zeroed. */
static PyObject *read_cached(PyObject *Py_UNUSED(module), PyObject *args)
{
    int fd;
    Py_ssize_t size;
    long long offset;
    if (!PyArg_ParseTuple(args, "inL", &fd, &size, &offset))
        return NULL;
    PyObject *data = PyBytes_FromStringAndSize(NULL, size);
    if (data == NULL)
        return NULL;
    struct iovec piece = {PyBytes_AsString(data), (size_t)size};
    ssize_t count;
    do
        count = preadv2(fd, &piece, 1, (off_t)offset, RWF_NOWAIT);
    while (count < 0 && errno == EINTR);
    if (count < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        Py_DECREF(data);
        return NULL;
    }
    if (count < size)
        _PyBytes_Resize(&data, count);
    return data;
}
#endif

static PyMethodDef methods[] = {
#ifdef RWF_NOWAIT
    {"read_cached", read_cached, METH_VARARGS, read_cached_doc},
#endif
    {"walk", walk, METH_VARARGS, walk_doc},
    {"decode", decode, METH_VARARGS, decode_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_native",
    .m_doc = "Compiled loops over record batches.",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&module);
}
